/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's settings that Sallyport relies on, of the hub's links and of the host's end of an uplink: one
 * list of each, by which they are set when a link is made or a network is reloaded, and looked at again when
 * it is shown. They are walls behind the rules: they survive `nft flush ruleset`.
 *
 * /proc/sys/net is that of the namespace in which the thread is; all of these work there. */
#pragma once

#include "base/error.h"
#include "netns/finding.h"

enum sysctls {
    SYSCTLS_HUB,
    SYSCTLS_UPLINK,
};

/* Sets all of the list in net/ipv4/conf/PLACE and net/ipv6/conf/PLACE. `place`: "all", "default" or a link.
 */
int sysctls_set(enum sysctls list, const char *place, struct error *err);

/* Adds a finding for each that has another value. A place that is gone has none. */
int sysctls_look(enum sysctls list, const char *place, const char *network, struct findings *findings,
                 struct error *err);
