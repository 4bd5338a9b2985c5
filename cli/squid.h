/* SPDX-License-Identifier: Apache-2.0
 *
 * The proxy's configuration, made from the policy, for squid 5 and later. See squid.c. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stdio.h>

/* Writes a complete squid.conf for the proxy of the network. The same policy gives the same bytes.
 *
 * Proxy on the host: `squid -N -f FILE`, started as root, needs the proxy's address to be there (`sallyport
 * network up`) and /var/log/squid to be writable by squid's user; it writes /run/sallyport-squid-NETWORK.pid
 * and /var/log/squid/sallyport-NETWORK.{access,cache} and nothing else.
 *
 * Proxy at a member: the same command, as squid's user, in the container. It writes to standard output (who
 * asked for what) and standard error, nothing to files. SIGHUP lets it read FILE again in both cases.
 *
 * Returns 0, or a negative errno value if the output failed. */
int squid_config(FILE *out, const struct policy *policy, struct error *err);
