/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel says of a process's privileges (/proc/PID/status, proc_pid_status(5)). */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct status {
    bool network_capabilities; /* CAP_NET_ADMIN or CAP_NET_RAW in any of the five sets */
    bool no_new_privileges;
    bool filtered; /* has a seccomp filter */
};

/* Reads it; `pidfd` is the process that was checked, so that a recycled pid is noticed. A line that is
 * missing is an error. */
int status_read(pid_t pid, int pidfd, struct status *ret, struct error *err);

/* The reading alone. Returns false, and *ret is untouched, unless there are as many of the lines that are
 * looked for as there have to be. */
bool status_parse(FILE *file, struct status *ret);
