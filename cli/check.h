/* SPDX-License-Identifier: Apache-2.0
 *
 * What `sallyport check` looks at, one file per matter, and the list that they write to.
 *
 * Invariant: a line that is not good says what to do, as a command in backquotes where one command does it. A
 * line that is good is short. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "policy/policy.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum check_level {
    CHECK_OK,
    CHECK_NOTE,    /* neither good nor bad: what is not there, or cannot be seen from here */
    CHECK_WARNING, /* something will not work that not everybody needs */
    CHECK_FAILED,  /* no container will start, or not the way it should */
};

struct checks {
    json_t *list; /* of {group, level, what, text} */
    const char *group;
    bool failed;
};

/* The socket address of a policy's address (host byte order, like the port). */
struct sockaddr_in check_address(uint32_t address, uint16_t port);

/* A network whose policy is good. */
struct check_network {
    struct policy policy;
    bool up;
};

struct check_networks {
    struct check_network *list;
    size_t count;
};

void check_networks_free_at(struct check_networks *networks);
#define cleanup_networks __attribute__((cleanup(check_networks_free_at)))

/* Adds a line to the current group. `what`: what was looked at; `text`: "", or why it is not good and what to
 * do, or what is worth knowing. Both are copied. */
void check_add(struct checks *checks, enum check_level level, const char *what, const char *text);

/* Adds a line by a function's result: fine, or `level` with the error's text. */
void check_add_result(struct checks *checks, enum check_level level, const char *what, int result,
                      const struct error *err);

/* Makes what a hub and a member are made of, in namespaces that end with the check, and tries what the hooks
 * and `log` need of the kernel beside that. */
void check_kernel(struct checks *checks);

/* Trials of check_kernel (netns/child.h), of which the last leaves nothing because its child ends with it. */
int check_seccomp(void *unused, struct error *err);
int check_getfd(void *unused, struct error *err);
int check_trace(void *unused, struct error *err);

/* What else of the host decides whether containers are sealed: who may replace the programs and the policies,
 * the layout of cgroups, forwarding. */
void check_host(struct checks *checks);

/* Loads every policy file and asks for each network whether it is up, and as its policy says. */
void check_policies(struct checks *checks, struct check_networks *ret);

/* What `sallyport install` would still have to do for each engine. */
void check_engines(struct checks *checks, const struct check_networks *networks);

/* The network's squid, and its pass-through if the policy has one: the file, the process, and what squid
 * answers to who may nothing. Only reads, but for one request to squid. */
void check_proxy(struct checks *checks, const struct check_network *network);

/* Whether a member's connection gets through the host's own firewall to the proxy: tried. */
void check_uplink(struct checks *checks, const struct check_network *network);

/* Why the host refuses to trace a process of one's own: from the texts of Yama's ptrace_scope and SELinux's
 * deny_ptrace (NULL: not there). "" if neither says so. Static text. */
const char *check_trace_reason(const char *ptrace_scope, const char *deny_ptrace);
