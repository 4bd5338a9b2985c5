/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's settings that Sallyport relies on, of the hub's links and of the host's end of an uplink: one
 * list of each, by which they are set when a link is made or a network is reloaded, and looked at again when
 * it is shown. They are walls behind the rules: they survive `nft flush ruleset`.
 *
 * /proc/sys/net is that of the namespace in which the thread is when it is opened. */
#pragma once

#include "base/error.h"
#include "netns/finding.h"
#include "netns/link.h"

enum sysctls {
    SYSCTLS_HUB,
    SYSCTLS_UPLINK,
};

/* Where the settings of a namespace are: net/ipv4/conf and net/ipv6/conf, -1 for what it has not. Opened once
 * for all links: in the host's procfs the kernel keeps the directories of all namespaces in one chain, and
 * every path from its top walks along all of them (fs/proc/proc_sysctl.c, proc_sys_compare). */
struct sysctls_directories {
    int ipv4;
    int ipv6;
};

/* Opens those of the thread's namespace. For sysctls_close, also on failure. */
int sysctls_open(struct sysctls_directories *ret, struct error *err);
void sysctls_close(const struct sysctls_directories *directories);
#define cleanup_sysctls __attribute__((cleanup(sysctls_close)))

/* Sets what has another value of the list in conf/PLACE of both. `place`: "all", "default" or a link. -ENOENT
 * if the place is not there.
 *
 * `told`: what the kernel's list of links told of the place, or NULL. What has its value by that is not
 * opened: it would take forty system calls for each link. */
int sysctls_set(const struct sysctls_directories *directories, enum sysctls list, const char *place,
                const struct link_settings *told, struct error *err);

/* Adds a finding for each that has another value. A place that is gone has none. */
int sysctls_look(const struct sysctls_directories *directories, enum sysctls list, const char *place,
                 const struct link_settings *told, const char *network, struct findings *findings,
                 struct error *err);
