/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport log -f. See log_follow.c. */
#pragma once

#include "base/error.h"
#include "cli/log_proxy.h"

#include <stdbool.h>

/* Opens the hub of a network that is up; a network that is not is told with what to do. The descriptor is the
 * caller's. */
int log_open_hub(const char *network, struct error *err);

/* Prints what is refused until the network goes or a signal comes. `proxy_logs`: without any, by the hub
 * alone. */
int log_follow(const char *network, const struct log_proxy_names *proxy_logs, bool json, struct error *err);
