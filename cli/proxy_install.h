/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps a squid in step with the policy, see proxy_install.c. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <limits.h>

/* Writes the configuration for `policy` to `path`, an absolute path (NULL:
 * /etc/squid/sallyport-NETWORK/squid.conf, whose directory is made), lets the squid of the network read it,
 * and ends the connections of every role that lost a host. Says what it did on standard output.
 *
 * On failure before the file is in place nothing has changed. */
int proxy_install(const struct policy *policy, const char *path, struct error *err);

/* Fails if the network's file, in its usual place, is not there or not what `policy` makes now. Changes
 * nothing. *ret_path, the place, is set in any case. */
int proxy_install_look(const struct policy *policy, char ret_path[PATH_MAX], struct error *err);
