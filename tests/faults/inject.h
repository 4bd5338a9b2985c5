/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a program with one fault: its n-th system call fails without having happened, or the process that
 * makes it is killed there; or the kernel refuses its n-th request over netlink. Calls are counted over the
 * program and every process that it forks, in the order in which they happen, so that every number names one
 * call; strace counts each process by itself. What becomes another program (a runtime) is let go: its calls
 * are not ours.
 *
 * x86-64 only: the machine of the tests. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { INJECT_ERRORS_SIZE = 4096, INJECT_CALLS_MAX = 65536, INJECT_KILL = -1, INJECT_REFUSE = -2 };

struct fault {
    unsigned at; /* the call's or the request's number, from 1; 0: nothing is done to any */
    int error;   /* the errno value that the call fails with, INJECT_KILL; or INJECT_REFUSE, for requests */
};

struct outcome {
    int status;        /* as waitpid(2) gives it */
    bool hit;          /* the call, or the request, was made */
    int call;          /* its number in the kernel's table */
    bool left_process; /* one of its processes outlived it and had to be killed */
    bool hung;         /* and had to be killed */
    unsigned calls;    /* made in all */
    unsigned requests; /* messages sent over netlink in all, those of a transaction one by one */
    char errors[INJECT_ERRORS_SIZE]; /* its standard error, cut off */
};

/* Runs `path`. `input` is its standard input (-1: /dev/null), `output` its standard output (-1: /dev/null).
 * `calls` may be NULL; it gets the table number of each call, INJECT_CALLS_MAX at most. */
void inject_run(const char *path, char *const arguments[], int input, int output, const struct fault *fault,
                struct outcome *ret, int *calls);

/* The errors that the call can give, ended by 0: those that a healthy program may meet on a sick machine.
 * None for calls that cannot fail. */
const int *inject_errors(int call);

/* The call's name, or its number as text. Static storage. */
const char *inject_name(int call);
