/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs that verify executes: runc, crun, and the clients of Docker and Podman. Always by absolute path,
 * without a shell, and with an environment that holds a PATH and nothing else: what DOCKER_HOST,
 * CONTAINERS_CONF and their like say to whoever calls verify says nothing about the containers of this host.
 *
 * Invariant: a program that is started is waited for, and does not live longer than this one. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
    WORDS_MAX = 800,          /* of a command line: the battery's targets and a few options */
    COMMAND_TEXT_SIZE = 4096, /* bytes that are kept of what a program prints */
};

/* A command line. The texts are borrowed. */
struct words {
    const char *texts[WORDS_MAX + 1]; /* ended by NULL */
    size_t count;
    bool full; /* one did not fit: the command cannot be started */
};

/* Adds each text up to NULL. */
void words_add(struct words *words, ...) __attribute__((sentinel));

/* The end of what was printed. */
struct command_tail {
    char text[COMMAND_TEXT_SIZE]; /* ended by NUL */
    size_t length;
};

struct command {
    pid_t pid;
    int output;    /* what it prints; -1 when that has ended */
    int complaint; /* its standard error, the same */
    struct command_tail complained;
};

/* Something else that is waited for meanwhile: `take` is called when `fd` is readable. A negative return ends
 * the reading, and is returned. */
struct verify_watch {
    int fd;
    int (*take)(void *data, struct error *err);
    void *data;
};

enum { COMMAND_WATCHES_MAX = 2 };

/* Takes a piece of what the program prints. A negative return ends the reading, and is returned. */
typedef int (*command_take)(void *data, const char *text, size_t length, struct error *err);

/* Starts the first of the words with all of them. `input`: its standard input, read from the start; -1 for
 * none. */
int command_start(const struct words *words, int input, struct command *ret, struct error *err);

/* Reads what it says until both pipes have ended, when nobody is left who could write to them, for `seconds`
 * at most
 * (-ETIMEDOUT). `watches`: COMMAND_WATCHES_MAX at most. The pipes are closed in any case: who still writes
 * there must not wait for us. */
int command_read(struct command *command, const struct verify_watch *watches, size_t count, int seconds,
                 command_take take, void *data, struct error *err);

/* The line of its standard error that says best what went wrong: the last one with `sallyport: `, else the
 * last one that speaks of an error, else the last. Points into the command. */
const char *command_reason(struct command *command);

/* All of it for a program that does one thing and ends: fails, with its reason, unless its exit status is 0.
 * In *ret_output, unless NULL, is what it printed. After a minute it is killed. */
int command_run(const struct words *words, int input, struct command_tail *ret_output, struct error *err);
