/* SPDX-License-Identifier: Apache-2.0
 *
 * A running containerd: which file it has read, and when. It cannot be asked for its runtimes without gRPC,
 * but it reads its files once, when it starts. */
#pragma once

#include "base/error.h"

#include <limits.h>
#include <sys/types.h>
#include <time.h>

struct engine_containerd {
    pid_t pid;             /* 0: none runs at `socket` */
    char config[PATH_MAX]; /* its configuration file */
    struct timespec start; /* CLOCK_REALTIME */
};

/* Finds the containerd that listens at the Unix socket. None there is no error. */
int engine_containerd_find(const char *socket, struct engine_containerd *ret, struct error *err);
