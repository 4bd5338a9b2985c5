/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of mounts that the kernel keeps for a process (/proc/PID/mountinfo, proc_pid_mountinfo(5)).
 *
 * Reading it costs the kernel about 2 us for each mount of the host: it is read once and kept. A line that is
 * not understood is an error, not a mount that is not there. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct mountinfo_entry { /* the strings are in `struct mountinfo`, with escapes undone */
    int id;
    int parent;
    const char *device; /* "major:minor" of the file system instance */
    const char *root;   /* what of the instance is mounted */
    const char *point;
    const char *type;
    const char *options; /* of the file system instance; "" if there are none */
};

struct mountinfo {
    char *text;
    struct mountinfo_entry *entries;
    size_t count;
};

/* Reads the list of the process whose directory in /proc is `process` (a descriptor). *ret is for
 * mountinfo_free, also when that failed; it is zeroed before the call. */
int mountinfo_read(int process, struct mountinfo *ret, struct error *err);

/* The same for this process. */
int mountinfo_read_own(struct mountinfo *ret, struct error *err);

/* Whether the kernel says that no mount is below the one that the descriptor is in (listmount(2), Linux 6.8):
 * then the list need not be read. False also where it does not say. */
bool mountinfo_nothing_below(int fd);

void mountinfo_free(const struct mountinfo *list);
#define cleanup_mountinfo __attribute__((cleanup(mountinfo_free)))

/* What of `path` is below the directory, with its slash; "" for the directory itself, NULL if it is not. */
const char *mountinfo_below(const char *path, const char *directory);
