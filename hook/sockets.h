/* SPDX-License-Identifier: Apache-2.0
 *
 * The Unix sockets that lead out of a network, and every directory of the host from which one is reached.
 *
 * Invariant: directories are told apart by device and inode, never by spelling: a symbolic link to /run, or
 * another bind mount of it, is /run. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stddef.h>
#include <sys/stat.h>

struct socket_directory {
    dev_t device;
    ino_t inode;
    char *path;   /* as it was looked up, a prefix of `socket` */
    char *socket; /* the first that is reached from here */
};

struct sockets {
    struct socket_directory *directories;
    size_t count;
};

/* Collects the sockets of engines, service managers and agents (whether or not they run at the moment), and
 * all others that are bound to a path, except those that the role tolerates. *ret is for sockets_free. */
int sockets_collect(const struct policy_role *role, struct sockets *ret, struct error *err);

void sockets_free(struct sockets *sockets);

/* The path of a socket that is reached from the directory, or NULL. Borrowed. */
const char *sockets_below(const struct sockets *sockets, const struct stat *directory);

/* Whether the role tolerates the socket. */
bool sockets_tolerated(const struct policy_role *role, const struct stat *socket);
