/* SPDX-License-Identifier: Apache-2.0
 *
 * The log that squid writes with the configuration of squid.c, and haproxy with that of haproxy.c: its
 * format, and the one reader of it. A line is
 *
 *     SECONDS.MILLISECONDS MS CLIENT RESULT/STATUS BYTES ROUTE/SERVER DENIAL METHOD TARGET
 *
 * with one blank between fields. MS is how long the request took, SERVER where the tunnel leads, DENIAL what
 * refused it (below), "-" if nothing of the configuration did. METHOD and TARGET are the client's own words
 * (METHOD is haproxy's own): what is no plain character is written as %XX, and both are cut, TARGET by the
 * reader where the writer has not.
 *
 * Invariant: what is handed out is printable ASCII of bounded length, from exactly a line of this form; no
 * TARGET makes a line none. Everything else is no line: it is to be counted, never shown. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQUID_LOG_METHOD "method" /* DENIAL: not a CONNECT, */
#define SQUID_LOG_UNNAMED                                                                              \
    "unnamed"                   /* neither a ClientHello with a server name nor a request with a Host, \
                                 */
#define SQUID_LOG_HOSTS "hosts" /* neither host nor port is on the list of the source, */
#define SQUID_LOG_NAME "name"   /* the name does not resolve, */
#define SQUID_LOG_SUBNET                                                              \
    "subnet" /* or leads to members; otherwise the range that it leads to, not public \
              */

#define SQUID_LOG_TLS "TLS" /* METHOD of what came to a pass-through */
#define SQUID_LOG_HTTP "HTTP"

enum {
    SQUID_LOG_METHOD_MAX = 32, /* characters, as they stand in the log */
    SQUID_LOG_TARGET_MAX = 512,
    SQUID_LOG_DENIAL_MAX = 96,
    SQUID_LOG_LINE_MAX = 1024, /* no line is longer */
};

struct squid_log_line {
    int64_t seconds; /* since 1970 */
    unsigned milliseconds;
    uint32_t client; /* IPv4, host byte order */
    unsigned status; /* 0 if the client was gone before an answer */
    bool denied;     /* by a rule: one of ours if `denial` is not "-" */
    bool own; /* squid answered by itself, before its rules: it was asked something that is no request */
    char denial[SQUID_LOG_DENIAL_MAX + 1];
    char method[SQUID_LOG_METHOD_MAX + 1];
    char target[SQUID_LOG_TARGET_MAX + 1];
    bool cut; /* the target may have been longer */
};

/* squid's own name for the format: the argument of `logformat`. */
extern const char squid_log_format[];

/* Reads a line of `length` bytes, without its newline. Returns false, and *ret is untouched, if it is none.
 */
bool squid_log_parse(const char *line, size_t length, struct squid_log_line *ret);

/* Whether the line is what haproxy writes into its log, when it reads its configuration again, of the
 * frontends of before. */
bool squid_log_is_notice(const char *line, size_t length);

/* Whether the request was refused, by the configuration or because squid could not make sense of it. One that
 * was allowed and failed behind the proxy was not. */
bool squid_log_refused(const struct squid_log_line *line);
