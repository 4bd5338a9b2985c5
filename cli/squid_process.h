/* SPDX-License-Identifier: Apache-2.0
 *
 * The running squid of a network, see squid_process.c. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <sys/types.h>

struct squid_process {
    int pidfd; /* -1: no squid runs for the network */
    pid_t pid; /* for messages */
};

/* Finds the squid that wrote the network's pid file. One that was started with another file than `config` (an
 * absolute path) is an error: it would not read what is written there.
 *
 * Returns 0 and, if there is one, a process for squid_process_close. */
int squid_process_find(const char *network, const char *config, struct squid_process *ret, struct error *err);

void squid_process_close(struct squid_process *process);

/* Lets squid read its configuration again and waits until it has: it closes the socket at the proxy's address
 * and opens it again. Connections stay. Fails if squid ends over it, or has not done it within 30 s. */
int squid_process_reconfigure(const struct squid_process *process, const struct policy *policy,
                              struct error *err);
