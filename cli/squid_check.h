/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether squid itself takes a configuration, see squid_check.c. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define SQUID_PROGRAM "/usr/sbin/squid"

/* Whether the host has a squid. */
bool squid_present(void);

/* Lets squid read the configuration and nothing else (`squid -k parse`). Fails with squid's own reason if it
 * refuses, and if there is no squid. */
int squid_check(const char *text, size_t length, struct error *err);
