/* SPDX-License-Identifier: Apache-2.0
 *
 * What the proxy refuses, as a stream: the lines of a log (squid_log.h) that tell of a refusal, a
 * limited number in each interval, and the exact count of the others.
 *
 * Invariant: every line of the log is seen once: a refusal is shown or counted, and what is no line,
 * and no notice of haproxy's, is counted. */
#pragma once

#include "cli/log_tail.h"
#include "cli/squid_log.h"
#include "policy/policy.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define LOG_PROXY_INPUT "-" /* instead of a path: standard input */

/* What is to be done about many such lines; the argument is the network. */
#define LOG_PROXY_UNREADABLE \
    "; if an earlier release configured squid, run `sallyport proxy-config squid %s --install`"

enum { LOG_PROXY_SOURCE_MAX = 50, LOG_PROXY_ALL_MAX = 500 };

struct log_proxy {
    struct log_tail tail;
    const char *name; /* the path, "-", or "" if there is none to read */
    bool limited;
    unsigned shown; /* refusals in this interval, */
    struct {
        uint32_t address;
        unsigned shown;
    } sources[LOG_PROXY_ALL_MAX]; /* and by source */
    unsigned sources_count;
    uint64_t more;       /* refusals since the interval began that were not shown */
    uint64_t unreadable; /* lines since then */
    int told;            /* the `problem` of the file that the user knows of */
    void (*each)(const struct squid_log_line *line, void *data);
    void *data;
};

/* Where the requests to a proxy are written down: squid's log and the pass-through's. A name is a path, "-",
 * or "" if there is none to read. */
enum { LOG_PROXIES = 2 };
struct log_proxy_names {
    char names[LOG_PROXIES][PATH_MAX];
};

/* The files of the programs on the host, as far as the policy has them. */
void log_proxy_on_host(const struct policy *policy, struct log_proxy_names *ret);

/* `name` is borrowed, and may be "": then there is nothing to read. `each` gets the refusals that are shown.
 */
void log_proxy_open(const char *name, bool from_start, bool limited,
                    void (*each)(const struct squid_log_line *line, void *data), void *data,
                    struct log_proxy *ret);

void log_proxy_close(struct log_proxy *proxy);

/* Whether there is a file, which has to be looked at from time to time. */
bool log_proxy_is_file(const struct log_proxy *proxy);

/* Descriptor to poll for input, -1 if there is none. */
int log_proxy_descriptor(const struct log_proxy *proxy);

/* Reads a bounded amount. Returns whether there is more to read at once. */
bool log_proxy_read(struct log_proxy *proxy);

/* Begins a new interval, and tells what the last one left. */
void log_proxy_settle(struct log_proxy *proxy, uint64_t *ret_more, uint64_t *ret_unreadable);

/* Tells on standard error that the file cannot be read, that it can again, or that the input has ended: once
 * each. */
void log_proxy_complain(struct log_proxy *proxy, const char *network);
