/* SPDX-License-Identifier: Apache-2.0
 *
 * Network namespaces by descriptor: opening them, telling them apart, working in one and coming back.
 * Never by name or pid twice: a descriptor that was checked is the one that is used. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* Whether both descriptors are the same namespace (device and inode). A failed fstat is "no". */
bool namespace_same(int a, int b);

/* Opens the network namespace that the caller is in. Returns a descriptor or a negative errno value. */
int namespace_open_own(struct error *err);

/* For a user without root (base/rootless.h), who can enter the namespaces that are his but never return to
 * the host's: moves the caller from there into an empty one of his own, for good. From then on that is its
 * own, and it comes back to it. For root nothing has to be done, and nothing is. */
int namespace_leave_host(struct error *err);

/* Opens a pidfd and the network namespace of the same process: after the namespace is open the pidfd is asked
 * again whether the process still runs, so that a recycled pid cannot give another one's.
 *
 * Returns 0, or a negative errno value and leaves both untouched. */
int namespace_open_process(pid_t pid, int *ret_pidfd, int *ret_netns, struct error *err);

/* Moves the calling thread into the namespace. */
int namespace_enter(int netns, struct error *err);

/* Moves it back to where it came from. If that fails the program ends, with its line and status 1: going on
 * in the wrong namespace would be worse than anything. */
void namespace_return(int netns);

/* Makes a socket in the namespace, close-on-exec; the caller stays in `own`, which is its own, and need not
 * be able to return to it (namespace_leave_host). Returns a descriptor or a negative errno value. */
int namespace_socket(int netns, int own, int family, int type, int protocol, struct error *err);

/* Writes a value below /proc/sys of the namespace that the calling thread is in ("net/ipv4/ip_forward"). */
int namespace_sysctl(const char *name, const char *value, struct error *err);

/* The same beside many other namespaces. What was looked up below /proc/sys/net in all that live is in one
 * chain, along which every look-up walks (fs/proc/proc_sysctl.c, proc_sys_compare): 1 ms at 3,000. This one
 * looks in a procfs of its own, mounted nowhere; where none can be had (a kernel before 5.2, a sandbox that
 * forbids mounts) in the machine's. Beside few it is slower: 0.06 ms, and its end waits for every processor
 * of a busy machine (fs/namespace.c, namespace_unlock). */
int namespace_sysctl_apart(const char *name, const char *value, struct error *err);

/* Whether the kernel speaks IPv6: without it there is nothing to switch off. */
bool namespace_has_ipv6(void);
