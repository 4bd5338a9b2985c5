/* SPDX-License-Identifier: Apache-2.0
 *
 * The Unix sockets that lead out of a network by name, and every directory of the host from which one is
 * reached. Names are not everything (hook/walk.h): the kernel lists those of one network namespace, as they
 * were bound.
 *
 * Invariant: directories are told apart by device and inode, never by spelling: a symbolic link to /run, or
 * another bind mount of it, is /run. The work is linear in the number of bound sockets, and bounded: any user
 * of the host may bind as many as they like. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <sys/stat.h>

enum {
    SOCKETS_BOUND_MAX = 65536
}; /* lines of /proc/net/unix that are read; what is known by name comes first */

struct sockets;

/* Collects the sockets of engines, service managers and agents (whether or not they run at the moment), all
 * others that are bound to a path, except those that the role tolerates, and the directories and files
 * in which engines, runtimes and Sallyport keep what they decide by: who writes there needs no socket.
 * `bundle` and `root`, the path of its root file system (NULL if it has none), are the container's, which
 * tell where Podman and Docker have their storage. *ret is borrowed, valid until the next call. */
int sockets_collect(const struct policy_role *role, int bundle, const char *root, const struct sockets **ret,
                    struct error *err);

/* What was collected last if it was for this role (a hook judges one container twice), or collects. */
int sockets_recall(const struct policy_role *role, int bundle, const char *root, const struct sockets **ret,
                   struct error *err);

/* The path of a socket (or of such a directory) that is reached from the directory, or NULL. Borrowed. */
const char *sockets_below(const struct sockets *sockets, const struct stat *directory);

/* The path of a directory or file in which such things are kept, if it is one itself, else NULL. Borrowed. */
const char *sockets_state(const struct sockets *sockets, const struct stat *file);

/* Whether the role tolerates the socket. */
bool sockets_tolerated(const struct sockets *sockets, const struct stat *socket);
