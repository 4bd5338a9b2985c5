/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of the proxy's pass-through, made from the policy, for haproxy 2.6 and later. See
 * haproxy.c. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stdio.h>

/* Writes a complete haproxy.cfg for the pass-through of the network: policy_passes has to be true. The same
 * policy gives the same bytes.
 *
 * Proxy on the host: `haproxy -f FILE`, started as root, needs the proxy's address to be there (`sallyport
 * network up`); it writes /run/sallyport-haproxy-NETWORK.pid, and to standard output a line for each
 * connection, in the form of squid_log.h. Its worker is haproxy's own user, in an empty root directory.
 *
 * Proxy at a member: the same command, as haproxy's user, in the container. SIGUSR2 lets it read FILE again
 * in both cases.
 *
 * Returns 0, or a negative errno value if the output failed. */
int haproxy_config(FILE *out, const struct policy *policy, struct error *err);
