/* SPDX-License-Identifier: Apache-2.0
 *
 * System calls made by another process: the primitive under injection.
 *
 * Theory of operation. The process is seized with PTRACE_O_EXITKILL (if we die, it dies), interrupted and run
 * to the entry of whatever system call comes next or is restarted. Only there is it known that the
 * instruction behind it is a system call. A remote call replaces number and arguments at that entry, takes
 * the exit, puts the registers back as they were, one instruction earlier, and runs to the same entry again.
 *
 * Invariant: between two calls of this interface the process stands at the entry of a call of its own that it
 * has not yet made, with its own registers. Letting go there is as if nothing had been. Signals that arrive
 * are delivered. A process that was touched and cannot be brought back to that state is killed. */
#pragma once

#include "base/error.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { REMOTE_ARGUMENTS = 6 };

struct remote {
    pid_t pid;
    int pidfd;
    int signal;        /* of the current signal-delivery stop: to be delivered on resuming */
    bool running;      /* not in a ptrace stop */
    bool gone;         /* exited and reaped */
    bool touched;      /* made a call that is not its own */
    int64_t deadline;  /* CLOCK_MONOTONIC, nanoseconds */
    sigset_t old_mask; /* the caller's, to be restored */
    struct sigaction old_action;
};

/* Seizes the process and brings it to the entry of a system call, within 5 seconds. `pidfd` must be of the
 * same process. On failure the process runs on as it was. */
int remote_attach(pid_t pid, int pidfd, struct remote *ret, struct error *err);

/* Has the process make a system call. *ret_value is what it returned, a negative errno value included. After
 * a failure there is nothing left to do but remote_release. */
int remote_call(struct remote *remote, long number, const uint64_t arguments[REMOTE_ARGUMENTS],
                int64_t *ret_value, struct error *err);

/* Writes into the process's memory. */
int remote_write(const struct remote *remote, uint64_t address, const void *data, size_t length,
                 struct error *err);

/* Lets go of the process: it continues if `keep`, or if it was never touched; otherwise it is killed. Returns
 * an error only if it should continue and does not. */
int remote_release(struct remote *remote, bool keep, struct error *err);

/* The number after `key` in lines "Key:\tNUMBER", as /proc/PID/status and fdinfo have them; -1 if there is no
 * such line, or something else in it. */
long remote_number_after(const char *text, const char *key);
