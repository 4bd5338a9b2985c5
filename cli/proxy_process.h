/* SPDX-License-Identifier: Apache-2.0
 *
 * A running program of a network's proxy, see proxy_process.c. */
#pragma once

#include "base/error.h"
#include "cli/proxy_kind.h"
#include "policy/policy.h"

#include <sys/types.h>

struct proxy_process {
    const struct proxy_kind *kind;
    int pidfd; /* -1: none runs for the network */
    pid_t pid; /* for messages */
};

/* Finds the one that wrote the network's pid file. One that was started with another file than `config` (an
 * absolute path) is an error: it would not read what is written there.
 *
 * Returns 0 and, if there is one, a process for proxy_process_close. */
int proxy_process_find(const struct proxy_kind *kind, const char *network, const char *config,
                       struct proxy_process *ret, struct error *err);

void proxy_process_close(struct proxy_process *process);

/* Ends it, with every connection that goes through it. */
int proxy_process_end(const struct proxy_process *process, const struct policy *policy, struct error *err);

/* The two ways to read a configuration again, for proxy_kind.reconfigure. */
int proxy_process_new_listener(const struct proxy_process *process, const struct policy *policy,
                               struct error *err);
int proxy_process_new_worker(const struct proxy_process *process, const struct policy *policy,
                             struct error *err);
