/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps the programs of the proxy in step with the policy, see proxy_install.c. */
#pragma once

#include "base/error.h"
#include "cli/proxy_kind.h"
#include "policy/policy.h"

#include <limits.h>

/* Writes the configurations for `policy`, lets the programs of the network read them, and ends the
 * connections of every role that lost a host. That of `kind` goes to `path`, an absolute path, and any other
 * one beside it (NULL: into /etc/squid/sallyport-NETWORK, which is made). Says what it did on standard
 * output.
 *
 * On failure before the files are in place nothing has changed. */
int proxy_install(const struct policy *policy, const struct proxy_kind *kind, const char *path,
                  struct error *err);

/* Fails if the network's file for `kind`, in its usual place, is not there or not what `policy` makes now.
 * Changes nothing. *ret_path, the place, is set in any case. */
int proxy_install_look(const struct policy *policy, const struct proxy_kind *kind, char ret_path[PATH_MAX],
                       struct error *err);
