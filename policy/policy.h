/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy of one network: what the administrator wrote in
 * /etc/sallyport/networks.d/<network>.json, checked and ready to answer questions.
 *
 * Invariant: a `struct policy` that a function here returned is complete and consistent; nobody has to
 * check it again. Addresses are IPv4 in host byte order. This folder knows nothing of the kernel. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_DIRECTORY SALLYPORT_CONFIGURATION "/networks.d"
#define POLICY_DEFAULT_NETWORK "default"
#define POLICY_DEFAULT_ROLE "agent"
#define POLICY_PROXY_ROLE "proxy" /* reserved: the member that has the proxy's address */

/* What policy_name_valid checks, for messages. */
#define POLICY_NAME_RULE "1 to 12 of a-z, 0-9 and hyphen, not beginning with a hyphen"

enum {
    POLICY_NAME_SIZE = 13, /* 12 characters: the uplink "sp-<network>" must fit IFNAMSIZ */
    POLICY_ROLES_MAX = 32,
    POLICY_HOST_SIZE = 254,
    POLICY_PROXY_PORTS_MAX = 3,
    POLICY_DIGEST_SIZE = 17,       /* 16 hexadecimal digits */
    POLICY_FILE_MAX = 1024 * 1024, /* bytes */
};

struct policy_range { /* both ends included; a fixed address has first == last */
    uint32_t first;
    uint32_t last;
};

struct policy_target { /* "ROLE:PORT" of `reach`: TCP */
    unsigned role;     /* index in policy.roles */
    uint16_t port;
};

struct policy_host { /* an entry of `hosts`: what the proxy allows this role */
    char name[POLICY_HOST_SIZE];
    bool subdomains; /* was written with a leading dot; `name` has none */
    uint16_t port;   /* 443 unless written */
};

struct policy_publish {    /* "HOST_ADDRESS:HOST_PORT:MEMBER_PORT" */
    uint32_t host_address; /* in 127.0.0.0/8 */
    uint16_t host_port;
    uint16_t member_port;
};

enum policy_links { /* interfaces that the engine added */
                    POLICY_LINKS_REMOVE,
                    POLICY_LINKS_REFUSE,
                    POLICY_LINKS_KEEP,
};

struct policy_role {
    char name[POLICY_NAME_SIZE];
    struct policy_range addresses;
    bool reach_proxy;
    bool nested; /* may make user and network namespaces of its own */
    bool i386;   /* the i386 system call ABI is allowed (its socket calls are filtered alike) */
    enum policy_links links;
    struct policy_target *targets;
    size_t targets_count;
    struct policy_host *hosts;
    size_t hosts_count;
    struct policy_publish *publish;
    size_t publish_count;
    char **sockets; /* absolute paths of bind-mounted sockets that are tolerated */
    size_t sockets_count;
};

enum policy_proxy_at {
    POLICY_PROXY_AT_HOST,
    POLICY_PROXY_AT_MEMBER,
};

struct policy {
    char network[POLICY_NAME_SIZE];
    char digest[POLICY_DIGEST_SIZE]; /* of everything the hub depends on, see policy_load */
    bool built_in;                   /* no file: the built-in network `default` */
    uint32_t subnet;
    unsigned prefix;
    uint32_t host_address; /* the subnet's first: the host's own on the uplink, source of published ports */
    uint32_t proxy_address;
    uint16_t proxy_port;
    uint16_t proxy_sni;  /* port of the pass-through that goes by the server name of TLS; 0: none */
    uint16_t proxy_http; /* of the one that goes by the Host header of HTTP; 0: none */
    enum policy_proxy_at proxy_at;
    struct policy_role roles[POLICY_ROLES_MAX];
    size_t roles_count;
    struct policy_role proxy_role; /* the synthetic role `proxy`; only with POLICY_PROXY_AT_MEMBER */
};

/* Where the policies are that count for the caller: POLICY_DIRECTORY, or
 * $XDG_CONFIG_HOME/sallyport/networks.d of a user without root (base/rootless.h); NULL, which policy_load
 * refuses with the reason, where he has none. */
const char *policy_directory(void);

/* Loads the policy of `network` from `directory` (policy_directory()). The file must be a regular file,
 * owned by root, not writable by group or others, and so must the directory. A missing file is an error,
 * except for `default`, which is built in.
 *
 * The digest covers what the hub's rules are made of (subnet, proxy, roles' names, addresses, reach,
 * publish), in a canonical order: two files that differ in nothing else have the same digest.
 *
 * Returns 0 and a policy for policy_free, or a negative errno value (-ENOENT: no such network). */
int policy_load(const char *directory, const char *network, struct policy *ret, struct error *err);

/* The same from text; `file` stands in messages, which read "FILE: $.roles.agent.reach[1]: why". */
int policy_parse(const char *text, size_t length, const char *file, const char *network, struct policy *ret,
                 struct error *err);

/* The built-in network `default`. */
void policy_default(struct policy *ret);

void policy_free(struct policy *policy);

/* Fails if the subnet of `policy` overlaps the subnet of another network in `directory` (or the built-in
 * one, unless a file replaces it). Another file that cannot be read is an error too. */
int policy_check_overlap(const char *directory, const struct policy *policy, struct error *err);

/* Whether the name may be a network's or a role's: [a-z0-9][a-z0-9-]{0,11}. */
bool policy_name_valid(const char *name);

/* The role of that name, `proxy` included where the proxy is a member; NULL if there is none. */
const struct policy_role *policy_role_find(const struct policy *policy, const char *name);

/* The role that an address belongs to by policy, NULL if none. */
const struct policy_role *policy_role_of(const struct policy *policy, uint32_t address);

/* Whether a member of the role may be given the address: in its range, and neither the subnet's network
 * and broadcast address nor the host's nor (but for the proxy) the proxy's. */
bool policy_role_may_have(const struct policy *policy, const struct policy_role *role, uint32_t address);

/* The prefix length of a role's addresses: a pool is a CIDR range. */
unsigned policy_range_prefix(const struct policy_range *range);

/* The ports at the proxy's address, the proxy's own first. Returns how many. */
size_t policy_proxy_ports(const struct policy *policy, uint16_t ret_ports[POLICY_PROXY_PORTS_MAX]);

/* Whether the proxy passes connections on that know nothing of a proxy: a pass-through is open. */
bool policy_passes(const struct policy *policy);

/* Whether a program that knows no proxy reaches the host: it is named exactly, and its port is that of a
 * pass-through. Every other host is reached through CONNECT only. */
bool policy_passes_host(const struct policy *policy, const struct policy_host *host);

/* All addresses of the subnet, the network and broadcast address included. */
struct policy_range policy_subnet(const struct policy *policy);

/* Dotted quad of an address in host byte order; the buffer holds at least 16 characters. Returns it. */
const char *policy_format_address(uint32_t address, char *buffer);
