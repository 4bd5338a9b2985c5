/* SPDX-License-Identifier: Apache-2.0
 *
 * probe COMMAND [ARGUMENT...]: the table of everything that the probe can try. */
#include "probe/probe.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(struct arguments *arguments);
    const char *arguments;
} COMMANDS[] = {
    {"tcp", probe_tcp,
     "ADDRESS PORT [--device LINK] [--unicast-if LINK] [--source ADDRESS] [--source-port N] [--timeout-ms N] "
     "[--greeting] [--hold-ms N]"},
    {"ports", probe_ports, "ADDRESS [--first N] [--last N] [--timeout-ms N]"},
    {"udp", probe_udp,
     "ADDRESS PORT [--device LINK] [--unicast-if LINK] [--broadcast] [--size BYTES] [--marker TEXT] "
     "[--timeout-ms N]"},
    {"icmp", probe_icmp, "ADDRESS [--device LINK] [--timeout-ms N]"},
    {"flood", probe_flood, "connect|hold|udp|netlink|unix|fork ADDRESS PORT [--count N] [--milliseconds N]"},
    {"listen", probe_listen, "tcp|udp ADDRESS PORT [--keep] [--milliseconds N]"},
    {"capture", probe_capture, "[--milliseconds N]"},
    {"packet", probe_packet,
     "LINK KIND [--source-mac M] [--dest-mac M] [--source-ip A] [--dest-ip A] [--source-port N] [--port N] "
     "[--flags syn|synack|ack|rst] [--fragment first|later] [--marker TEXT]; "
     "KIND is udp, tcp, icmp, arp, udp6 or neighbour6"},
    {"raw", probe_raw, "DEST-IP KIND [--source-ip A] [--source-port N] [--port N] [--device LINK] ..."},
    {"socket", probe_socket, "FAMILY TYPE PROTOCOL (64-bit numbers, as in system call registers)"},
    {"int80-socket", probe_int80_socket, "FAMILY TYPE PROTOCOL"},
    {"int80-socketcall", probe_int80_socketcall, "FAMILY TYPE PROTOCOL"},
    {"x32-socket", probe_x32_socket, "FAMILY TYPE PROTOCOL"},
    {"io-uring-socket", probe_io_uring_socket, "FAMILY TYPE PROTOCOL"},
    {"unshare", probe_unshare, "user|net|user,net"},
    {"setns", probe_setns, "PATH"},
    {"clone", probe_clone, "user|net|user,net"},
    {"clone3", probe_clone3, "user|net|user,net|none"},
    {"links", probe_links, "[--netnsid N]"},
    {"link-delete", probe_link_delete, "NAME [--netnsid N]"},
    {"link-up", probe_link_up, "NAME [--netnsid N]"},
    {"link-address", probe_link_address, "NAME ADDRESS PREFIX"},
    {"link-macvlan", probe_link_macvlan, "NAME --lower INDEX --netnsid N [--mode passthru|bridge]"},
    {"nft-flush", probe_nft_flush, ""},
    {"capability", probe_capability, "NUMBER"},
    {"battery", probe_battery,
     "[--only GROUP]... [proxy=ADDRESS:PORT] [subnet=ADDRESS/LENGTH] [uplink=ADDRESS] [host=ADDRESS]... "
     "[far=ADDRESS]... [open=ADDRESS:PORT]... [closed=ADDRESS:PORT]... [allowed=HOST:PORT] "
     "[denied=HOST:PORT] [inward=HOST:PORT] [nested=yes] [marker=TEXT]"},
};

static int print_help(FILE *stream)
{
    fputs("Usage: probe COMMAND [ARGUMENT...]\n\n", stream);
    for (size_t i = 0; i < array_size(COMMANDS); i++)
        fprintf(stream, "  probe %s %s\n", COMMANDS[i].name, COMMANDS[i].arguments);
    return stream == stdout ? PROBE_OK : PROBE_USAGE;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc - 2, argv + 2};

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2)
        return print_help(stderr);
    if (strcmp(argv[1], "--help") == 0)
        return print_help(stdout);
    for (size_t i = 0; i < array_size(COMMANDS); i++)
        if (strcmp(argv[1], COMMANDS[i].name) == 0)
            return COMMANDS[i].run(&arguments);
    usage("no command `%s`; see probe --help", argv[1]);
}
