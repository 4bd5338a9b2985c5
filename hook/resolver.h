/* SPDX-License-Identifier: Apache-2.0
 *
 * Docker's embedded DNS server: it listens at 127.0.0.11 inside the container's network namespace and
 * forwards from the host, past every link (design, fact 13). */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* Whether a socket in the network namespace of the process is bound to 127.0.0.11, UDP or TCP. `pidfd` is the
 * process that was checked. */
int resolver_listens(pid_t pid, int pidfd, bool *ret, struct error *err);

/* Whether it is in a table of sockets as /proc/PID/net/udp and tcp are (proc_pid_net(5)). */
bool resolver_is_in(FILE *table);
