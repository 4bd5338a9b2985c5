/* SPDX-License-Identifier: Apache-2.0
 *
 * Ways out that are not packets: mounted sockets of engines, service managers and agents, directories above
 * one, the host's kernel file systems, and devices that carry packets (design, facts 27 and 32).
 *
 * What a path *is* decides, never how it is spelled: symbolic links are resolved, and files and directories
 * are told apart by device and inode. A mount brings the mounts below it along, so these are checked too.
 *
 * This is the check of the config: early, with the names that the administrator wrote. A path may lead
 * somewhere else when the runtime mounts it: what it did mount is judged by hook/mounts.h, by the same rules.
 */
#pragma once

#include "base/error.h"
#include "hook/mountinfo.h"
#include "hook/sockets.h"
#include "policy/policy.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct surfaces { /* what every judgement needs */
    int bundle;
    const struct policy_role *role;
    const struct sockets *sockets;
    struct mountinfo own; /* the host's mounts, from when they are first needed */
    size_t budget;        /* for walks: hook/walk.h */
    struct error *err;
};

/* Refuses the config if its root, a mount or a device is such a way out. `bundle` is the directory that
 * relative paths start from; sockets that the role tolerates are let through. */
int surfaces_check(const json_t *config, int bundle, const struct policy_role *role, struct error *err);

/* Refuses what the descriptor is (O_PATH is enough), whatever led to it; `what` names it in the message.
 * `search`: looks for sockets below it as well if it is a directory. */
int surfaces_judge(struct surfaces *self, int fd, const char *what, bool search);

/* Refuses a file or directory for where it is: in the state of an engine, a runtime or Sallyport, and not
 * what an engine mounts from there. The descriptor is of one of the host's own mounts, which tell its path.
 */
int surfaces_judge_place(const struct surfaces *self, int fd, const char *what);
