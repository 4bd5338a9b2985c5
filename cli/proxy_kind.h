/* SPDX-License-Identifier: Apache-2.0
 *
 * The programs that a network's proxy consists of, and what differs in handling them. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdio.h>

/* Where a network's files are unless said otherwise, before its name. */
#define PROXY_DIRECTORY "/etc/squid/sallyport-"

struct proxy_process;

struct proxy_kind {
    const char *name;       /* of the program, as people call it, and in the names of its files */
    const char *program;    /* its absolute path */
    const char *start;      /* what starts it where no unit does, before the path of its file */
    const char *package;    /* what `apt install has to be given to have it, with a backquote and more */
    const char *file;       /* the usual name of its configuration */
    const char *log_before; /* where to look when it fails, in words: before the network's name, */
    const char *log_after;  /* and behind it */
    const char *const
        *check; /* arguments that let it read the configuration that follows them, and no more */
    const char *const *reasons; /* words of the line that says why it refuses one */
    const char *needed;         /* what it may be lacking then; NULL: nothing to be said */
    const char *before_reason;  /* what ends the part of that line that says when, and who */
    int reload;                 /* signal that has it read its configuration again, */
    const char *reload_name;    /* and its name */
    bool clusters;              /* of options on its command line, as in -Nf */

    /* Whether the policy asks for it. */
    bool (*wanted)(const struct policy *policy);

    int (*write)(FILE *out, const struct policy *policy, struct error *err);

    /* The ports at which it listens. Returns how many. */
    size_t (*ports)(const struct policy *policy, uint16_t ret_ports[POLICY_PROXY_PORTS_MAX]);

    /* Lets it read its configuration again and waits until nothing goes by the old one that was not open
     * before. Connections stay. Fails if it ends over it, or has not done it within 30 s. */
    int (*reconfigure)(const struct proxy_process *process, const struct policy *policy, struct error *err);
};

extern const struct proxy_kind proxy_squid;   /* for programs that know a proxy */
extern const struct proxy_kind proxy_haproxy; /* the pass-through for those that do not */

/* Both, in the order in which they are handled. */
enum { PROXY_KINDS = 2 };
extern const struct proxy_kind *const proxy_kinds[PROXY_KINDS];

/* The one that is called so, or NULL. */
const struct proxy_kind *proxy_kind_find(const char *name);

/* How a person starts it, in backquotes: by its unit, where systemd runs and the file at `path` is the
 * unit's. */
void proxy_kind_start(const struct proxy_kind *kind, const char *network, const char *path, char *ret_text,
                      size_t size);
