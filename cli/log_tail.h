/* SPDX-License-Identifier: Apache-2.0
 *
 * Following a log that somebody else writes: lines of a file as they are added, through rotation by renaming
 * and by truncation, and while the file is not there; or of standard input.
 *
 * Invariants. A call does a bounded amount of work, whoever fills the file, and never waits. A line is handed
 * over once and whole; what is no line that the writer makes (longer than any, or cut off by a rotation) is
 * handed over as NULL, so that it can be counted; a hole in the file is one such line, however large. Nothing
 * but a regular file is followed, and no symbolic link: the directory is the writer's. */
#pragma once

#include "base/error.h"
#include "cli/squid_log.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct log_tail {
    const char *path; /* NULL: standard input */
    int descriptor;   /* -1: there is none now */
    dev_t device;     /* of the file that is open */
    ino_t inode;
    off_t offset; /* read up to here */
    int problem;  /* why the file cannot be read, an errno value; 0 if it can */
    bool ended;   /* standard input has */
    bool skip;    /* the rest of a line that was handed over already, or began before us */
    size_t used;
    char line[SQUID_LOG_LINE_MAX]; /* the beginning of a line */
};

typedef void (*log_tail_line)(const char *line, size_t length, void *data);

/* Begins with the lines that are there (`from_start`), or with those that come. `path` is borrowed; NULL:
 * standard input, which is borrowed, too. A file that is not there or cannot be read is no failure: `problem`
 * says so, and it is looked for each time. */
void log_tail_open(const char *path, bool from_start, struct log_tail *ret);

void log_tail_close(struct log_tail *tail);

/* Reads some of what has been added. Returns whether there is more to read at once. Standard input is read
 * only if it has something: the caller polls. */
bool log_tail_read(struct log_tail *tail, log_tail_line each, void *data);
