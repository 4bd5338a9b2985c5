/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of file systems: which of them are the kernel itself, and which a container may have a new instance
 * of.
 *
 * Invariant: an allow-list. What is not known to be harmless (another kernel interface, a network file
 * system, one that reads a disk) is refused. */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

/* The name of the kernel's file system with that f_type (statfs(2)), borrowed; NULL if it is another one. */
const char *filesystems_kernel(long magic);

/* Whether an entry of `mounts` is a bind mount: by its type, or by an option, as runtimes see it. */
bool filesystems_is_bind(const json_t *mount);

/* Refuses an entry of `mounts` that is no bind mount unless its type is one that engines use, in the place
 * where they put it, and any that changes a mount that was there before. */
int filesystems_check(const json_t *config, const json_t *mount, struct error *err);

/* Refuses an entry of `mounts` in which what is mounted on the host later would appear, unseen: a directory
 * of sockets, say. `mount` has passed filesystems_check. */
int filesystems_check_propagation(const json_t *mount, struct error *err);

/* Makes every bind mount of the config's that does not say how it propagates a private one: else what is
 * mounted on the host while the container runs appears in it. Returns 0 or -ENOMEM. */
int filesystems_make_private(json_t *config, struct error *err);
