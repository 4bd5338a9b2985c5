/* SPDX-License-Identifier: Apache-2.0
 *
 * A published port, as two systemd units: a socket on the host's loopback, and systemd-socket-proxyd, which
 * opens a connection to the member for each one that it accepts. Nothing is translated and nothing forwarded,
 * and a member that was restarted is simply connected to again.
 *
 * Theory of operation. The socket hears nothing but the host itself: it is bound to an address of 127.0.0.0/8
 * and to the interface lo, so that a packet that came in elsewhere does not find it, not even where
 * route_localnet is on; systemd's address filter says it once more. It is there exactly while the network's
 * uplink is: without the uplink, the member's address would lead to the host's default route, and to whoever
 * has it there. The service can reach the member's address and nothing else, as nobody, with no capability.
 *
 * Invariant: a unit has no input but the policy; no name or address in it was written by a member. */
#include "cli/publish_units.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <string.h>

#define PROXYD "/usr/lib/systemd/systemd-socket-proxyd"

enum { LOCALHOST = 0x7f000001 };

static const char *const suffixes[] = {[PUBLISH_SOCKET] = ".socket", [PUBLISH_SERVICE] = ".service"};

/* A unit's name without suffix. */
static void format_stem(const char *network, const struct policy_publish *publish,
                        char ret_name[PUBLISH_NAME_SIZE])
{
    char address[16];

    if (publish->host_address == LOCALHOST)
        snprintf(ret_name, PUBLISH_NAME_SIZE, "sallyport-publish-%.12s-%u", network, publish->host_port);
    else
        snprintf(ret_name, PUBLISH_NAME_SIZE, "sallyport-publish-%.12s-%s-%u", network,
                 policy_format_address(publish->host_address, address), publish->host_port);
}

void publish_unit_name(const char *network, const struct policy_publish *publish, enum publish_kind kind,
                       char ret_name[PUBLISH_NAME_SIZE])
{
    char stem[PUBLISH_NAME_SIZE];

    format_stem(network, publish, stem);
    snprintf(ret_name, PUBLISH_NAME_SIZE, "%.50s%s", stem, suffixes[kind]);
}

/* Network names have no dots and may have hyphens and digits: "a" has the port in "a-9119", and so may the
 * network "a-9119" have one in "a-9119-80". What follows the network's name must be exactly what we write. */
bool publish_is_unit_of(const char *network, const char *file_name)
{
    char start[PUBLISH_NAME_SIZE];
    char name[PUBLISH_NAME_SIZE];
    char address[16] = "127.0.0.1";
    struct policy_publish publish = {0};
    struct in_addr parsed;
    size_t length = (size_t)snprintf(start, sizeof(start), "sallyport-publish-%.12s-", network);

    if (strncmp(file_name, start, length) != 0)
        return false;
    if (sscanf(file_name + length, "%15[0-9.]-%5hu", address, &publish.host_port) != 2) {
        snprintf(address, sizeof(address), "127.0.0.1");
        if (sscanf(file_name + length, "%5hu", &publish.host_port) != 1)
            return false;
    }
    if (inet_pton(AF_INET, address, &parsed) != 1)
        return false;
    publish.host_address = ntohl(parsed.s_addr);
    for (enum publish_kind kind = PUBLISH_SOCKET; kind <= PUBLISH_SERVICE; kind++) {
        publish_unit_name(network, &publish, kind, name);
        if (strcmp(name, file_name) == 0)
            return true;
    }
    return false;
}

void publish_mark(const char *network, char *buffer, size_t size)
{
    snprintf(buffer, size,
             "# Written by `sallyport publish %s --install`: change the policy, not this file.\n", network);
}

/* The hyphen of "sp-" and those of the network are escaped. */
void publish_device(const char *network, char ret_name[PUBLISH_DEVICE_SIZE])
{
    char *end = stpcpy(ret_name, "sys-subsystem-net-devices-sp\\x2d");

    for (; *network != '\0'; network++)
        if (*network == '-')
            end = stpcpy(end, "\\x2d");
        else
            *end++ = *network;
    strcpy(end, ".device");
}

static void write_head(FILE *out, const struct policy *policy, const struct policy_role *role,
                       const char *listen, const char *target)
{
    char mark[128];

    publish_mark(policy->network, mark, sizeof(mark));
    fprintf(out,
            "%s"
            "# Without systemd as process 1 the same is, in the foreground:\n"
            "#   systemd-socket-activate -l %s " PROXYD " %s\n"
            "\n"
            "[Unit]\n"
            "Description=%s leads to %s of the sallyport network %s\n",
            mark, listen, target, listen, role->name, policy->network);
}

static void write_socket(FILE *out, const struct policy *policy, const char *listen)
{
    char device[PUBLISH_DEVICE_SIZE];

    publish_device(policy->network, device);
    fprintf(out,
            "BindsTo=%s\n"
            "After=%s\n"
            "\n"
            "[Socket]\n"
            "ListenStream=%s\n"
            "FreeBind=no\n"
            "# What arrives at another interface does not find this socket, whatever address it carries.\n"
            "BindToDevice=lo\n"
            "IPAddressDeny=any\n"
            "IPAddressAllow=127.0.0.0/8\n"
            "\n"
            "[Install]\n"
            "WantedBy=%s\n",
            device, device, listen, device);
}

static void write_sandbox(FILE *out)
{
    fputs("DynamicUser=yes\n"
          "CapabilityBoundingSet=\n"
          "NoNewPrivileges=yes\n"
          "KeyringMode=private\n"
          "LimitNOFILE=2048\n"
          "LockPersonality=yes\n"
          "MemoryDenyWriteExecute=yes\n"
          "PrivateDevices=yes\n"
          "PrivateIPC=yes\n"
          "PrivateTmp=yes\n"
          "PrivateUsers=yes\n"
          "ProcSubset=pid\n"
          "ProtectClock=yes\n"
          "ProtectControlGroups=yes\n"
          "ProtectHome=yes\n"
          "ProtectHostname=yes\n"
          "ProtectKernelLogs=yes\n"
          "ProtectKernelModules=yes\n"
          "ProtectKernelTunables=yes\n"
          "ProtectProc=invisible\n"
          "ProtectSystem=strict\n"
          "RestrictAddressFamilies=AF_INET AF_UNIX\n"
          "RestrictNamespaces=yes\n"
          "RestrictRealtime=yes\n"
          "RestrictSUIDSGID=yes\n"
          "SystemCallArchitectures=native\n"
          "SystemCallFilter=@system-service\n"
          "SystemCallFilter=~@privileged @resources\n"
          "SystemCallErrorNumber=EPERM\n"
          "UMask=0777\n",
          out);
}

static void write_service(FILE *out, const struct policy *policy, const char *stem, const char *member,
                          const char *target)
{
    fprintf(out,
            "Requires=%s.socket\n"
            "After=%s.socket\n"
            "\n"
            "[Service]\n"
            "Type=notify\n"
            "ExecStart=" PROXYD " %s\n"
            "\n"
            "# One address, by one way.\n"
            "IPAddressDeny=any\n"
            "IPAddressAllow=%s\n"
            "RestrictNetworkInterfaces=sp-%s\n"
            "\n",
            stem, stem, target, member, policy->network);
    write_sandbox(out);
}

void publish_write_unit(FILE *out, const struct policy *policy, const struct policy_role *role,
                        const struct policy_publish *publish, enum publish_kind kind)
{
    char stem[PUBLISH_NAME_SIZE];
    char member[16];
    char host[16];
    char listen[32];
    char target[32];

    format_stem(policy->network, publish, stem);
    policy_format_address(role->addresses.first, member);
    snprintf(listen, sizeof(listen), "%s:%u", policy_format_address(publish->host_address, host),
             publish->host_port);
    snprintf(target, sizeof(target), "%s:%u", member, publish->member_port);
    write_head(out, policy, role, listen, target);
    if (kind == PUBLISH_SOCKET)
        write_socket(out, policy, listen);
    else
        write_service(out, policy, stem, member, target);
}
