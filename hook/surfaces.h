/* SPDX-License-Identifier: Apache-2.0
 *
 * Ways out that are not packets: mounted sockets of engines, service managers and agents, directories above
 * one, the host's kernel file systems, and devices that carry packets (design, facts 27 and 32).
 *
 * What a path *is* decides, never how it is spelled: symbolic links are resolved, and files and directories
 * are told apart by device and inode. A mount brings the mounts below it along, so these are checked too. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <jansson.h>

/* Refuses the config if its root, a bind mount or a device is such a way out. `bundle` is the directory that
 * relative paths start from; sockets that the role tolerates are let through. */
int surfaces_check(const json_t *config, int bundle, const struct policy_role *role, struct error *err);
