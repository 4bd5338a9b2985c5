/* SPDX-License-Identifier: Apache-2.0
 *
 * The names that a container knows without DNS: a hosts file of its own (localhost, its hostname, roles with
 * a fixed address, the proxy, and the hosts outside that its pass-through leads to) and an empty resolv.conf,
 * mounted read-only in the place of the engine's. The proxy resolves names for everybody and keeps the
 * engine's files; a role that keeps its other links keeps the engine's resolv.conf. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <jansson.h>

#define NAMES_HOSTS_FILE "sallyport-hosts"
#define NAMES_RESOLV_FILE "sallyport-resolv.conf"

/* The hostname of the config as it may stand in a list or a hosts file (it comes from whoever starts the
 * container), or NULL. Borrowed. */
const char *names_hostname(const json_t *config);

/* Writes the two files into the directory and makes the config mount them. `directory` -1: they go beside the
 * source of the engine's own /etc/hosts or /etc/resolv.conf mount (the container's own directory in Podman);
 * where there is neither, or others than root could replace files there, nothing is written and nothing
 * mounted.
 */
int names_mount(json_t *config, int directory, const char *directory_path, const struct policy *policy,
                const struct policy_role *role, struct error *err);
