/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks for sockets (and devices that carry packets) below a directory that a container gets: a socket has no
 * name that the kernel would tell when it was bound by a relative path, renamed, linked, or bound in another
 * network namespace.
 *
 * A workspace may hold any number of files, so the walk goes breadth first, where sockets are found in
 * practice, and ends without a word when the budget is used up: it is a best effort, and a socket can be made
 * after the container started. It does not leave the mount, and follows no symbolic link. */
#pragma once

#include "hook/sockets.h"

#include <limits.h>
#include <stddef.h>

enum { WALK_BUDGET = 4096 }; /* directory entries for one container: about 2 ms */

struct walk_find {
    char path[PATH_MAX]; /* relative to the directory; empty: nothing was found */
    const char *device;  /* which device that carries packets it is (static), NULL: it is a socket */
};

/* Looks at up to *budget entries below `directory` (a descriptor, O_PATH is enough) and takes them off
 * *budget. Tolerated sockets are passed by. What cannot be opened or read is passed by as well. */
void walk(int directory, const struct sockets *sockets, size_t *budget, struct walk_find *ret);
