/* SPDX-License-Identifier: Apache-2.0
 *
 * One line per event, "sallyport: NETWORK/ROLE ID12: what: why; what to do", to standard error and to
 * syslog: crun sends a hook's standard error to /dev/null. The context is filled in as it becomes known
 * and parts that are not known are left out. */
#pragma once

#include "base/error.h"

/* Remembers what the line is about. NULL leaves a part as it is. The strings are copied; an id is cut to
 * its first 12 characters. */
void log_context(const char *network, const char *role, const char *id);

/* The line, without "sallyport: " and without newline, for callers that report in another format.
 * Points to static storage. */
const char *log_line(const struct error *err);

/* Writes the line to standard error and to syslog (facility daemon). */
void log_error(const struct error *err);
