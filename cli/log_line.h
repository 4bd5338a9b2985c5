/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines of `sallyport log`: for people, or one JSON object a line. Every object has `time`, `network` and
 * `event`; names and types of the rest do not change with what is known: what is not is an empty string or
 * null. A line is made from what the kernel says about the link by which the packet came; the packet's own
 * bytes only give what it wanted. */
#pragma once

#include "netns/nflog.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdint.h>

struct log_output {
    const char *network;
    bool json;
    const struct policy *policy; /* that the hub enforces; NULL if it is not known */
};

/* Who sent the packet. */
struct log_member {
    const char *role; /* empty if it is not known */
    const char *id;   /* the container's, empty if it is not known */
    const char *link; /* the hub's end, empty if it is gone */
    bool host;        /* it is the host, by the uplink */
};

void log_line_begin(const struct log_output *output, uint64_t refused_before);
void log_line_refused(const struct log_output *output, const struct log_member *member,
                      const struct nflog_packet *packet);
void log_line_more(const struct log_output *output, uint64_t packets);
void log_line_end(const struct log_output *output, const char *reason);
