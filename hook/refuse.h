/* SPDX-License-Identifier: Apache-2.0
 *
 * What cannot be sealed is refused, with a line that says which option to drop (design, end of section 5).
 * First by what the config says, then by what the waiting process is: where the two disagree, the process
 * counts. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* Refuses by config: namespaces of the host, capabilities that cannot be contained, shared
 * surfaces (hook/surfaces.h), network devices of the host. `bundle` is the bundle's directory. */
int refuse_config(const json_t *config, int bundle, const struct policy_role *role, struct error *err);

/* What a root in the container could do that is the host's root, because it has no user namespace or one that
 * maps to it: capabilities that cannot be contained, and a writable /proc/sys. refuse_config asks by the
 * config's mappings. */
int refuse_host_root(const json_t *config, struct error *err);

/* CAP_NET_ADMIN in a config that nobody edited: with it no wall holds (fact 4), and a hook cannot take it
 * away. */
int refuse_net_admin(const json_t *config, struct error *err);

/* Refuses by process: namespaces that are the hook's own (the host's), network sockets, tunnel devices or
 * io_uring instances among the descriptors that init inherited. */
int refuse_process(pid_t pid, int pidfd, const json_t *config, struct error *err);

/* Whether a process other than `pid` is in the namespace of `pid` of that kind ("net", "pid") and, for each
 * of those, whether its network namespace is another one than that of `pid`. The engine that made the
 * namespace, with a thread in it and others where it came from, is no other. */
int refuse_others_in_namespace(pid_t pid, const char *kind, bool *ret_others, bool *ret_other_network,
                               struct error *err);

/* Whether a mapping as /proc/PID/uid_map tells it, lines "inside outside count", has the host's root in it.
 * Errs to "yes" where it has another form. */
bool refuse_maps_root(FILE *map);
