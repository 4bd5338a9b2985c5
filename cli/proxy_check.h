/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a program of the proxy takes a configuration, see proxy_check.c. */
#pragma once

#include "base/error.h"
#include "cli/proxy_kind.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether the host has the program. */
bool proxy_present(const struct proxy_kind *kind);

/* Lets the program read the configuration and do nothing else. Fails with its own reason if it refuses, and
 * if there is no such program. */
int proxy_check(const struct proxy_kind *kind, const char *text, size_t length, struct error *err);
