/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines of `sallyport log -f`: for people, or one JSON object a line. Every object has `time`, `network`
 * and `event`; names and types of the rest do not change with what is known: what is not is an empty string
 * or null. A line is made from what the kernel says about the link by which something came; the packet's own
 * bytes, and the words of a request, only give what was wanted. A request is older than its line, by as much
 * as the log that is read: its time is the proxy's, its container the one that has the address now.
 *
 *     begin       packets (refused before), proxy_log (a file, "-" or ""), pass_through_log
 *     refused     by ("hub", "proxy"), role, id, link, host,
 *                 protocol, source, source_port, destination, port, destination_role, fragment, truncated,
 *                 method, target, status (of a request),
 *                 allowed (what the role may reach instead), rule, allow (log_reason.h)
 *     more        packets that the hub refused and that have no line
 *     proxy-more  requests that the proxy refused and that have no line, and how many lines of its log are
 *                 unreadable
 *     end         reason */
#pragma once

#include "cli/squid_log.h"
#include "netns/nflog.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdint.h>

struct log_output {
    const char *network;
    bool json;
    const struct policy *policy; /* that the hub enforces; NULL if it is not known */
    const struct policy *file;   /* that is in the file, which the proxy's is made of; NULL if it has none */
};

/* Who sent the packet. */
struct log_member {
    const char *role; /* empty if it is not known */
    const char *id;   /* the container's, empty if it is not known */
    const char *link; /* the hub's end, empty if it is gone */
    bool host;        /* it is the host, by the uplink */
};

/* `proxy_log`: where the proxy's refusals come from, empty if they do not come; `passing_log`: those of its
 * pass-through. */
void log_line_begin(const struct log_output *output, uint64_t refused_before, const char *proxy_log,
                    const char *passing_log);
void log_line_packet(const struct log_output *output, const struct log_member *member,
                     const struct nflog_packet *packet);
void log_line_request(const struct log_output *output, const struct log_member *member,
                      const struct squid_log_line *request);
void log_line_more(const struct log_output *output, uint64_t packets);
void log_line_proxy_more(const struct log_output *output, uint64_t requests, uint64_t unreadable);
void log_line_end(const struct log_output *output, const char *reason);
