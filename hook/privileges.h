/* SPDX-License-Identifier: Apache-2.0
 *
 * The hook's own capabilities, given up step by step: what is still held at each step is what the rest of the
 * way needs, so a mistake in a later step has less to work with. */
#pragma once

#include "base/error.h"

/* After all files have been read: keeps SYS_ADMIN and SYS_CHROOT (setns, the hub's mount), NET_ADMIN
 * (netlink) and SYS_PTRACE (namespaces and descriptors of the init, injection). */
int privileges_keep_for_inspection(struct error *err);

/* After the hub is open: keeps SYS_ADMIN (setns by descriptor), NET_ADMIN, and SYS_PTRACE (whether a
 * predecessor with our address still has processes is read in /proc). */
int privileges_keep_for_links(struct error *err);
