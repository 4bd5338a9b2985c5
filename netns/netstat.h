/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading /proc/net/netstat: for each group of counters a line of names and a line of values, both beginning
 * with the group ("TcpExt: SyncookiesSent ..." and "TcpExt: 0 ..."). Which counters there are, and in which
 * order, is each kernel's own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { NETSTAT_MAX = 64 * 1024 }; /* bytes; it has about four thousand */

/* Finds the value of one counter. Returns false, and *ret is untouched, if it is not there or is no number.
 */
bool netstat_find(const char *text, const char *group, const char *counter, uint64_t *ret);
