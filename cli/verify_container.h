/* SPDX-License-Identifier: Apache-2.0
 *
 * The throw-away container of `sallyport verify`: a bundle of its own below /run/sallyport with nothing in it
 * but the probe, edited as any other bundle is, and run by runc or crun with a state directory inside it.
 *
 * Invariant: when verify_container_run has returned, however it ended (a signal too), the container is
 * deleted, and after verify_container_remove the directory is. */
#pragma once

#include "base/error.h"
#include "cli/verify_lines.h"
#include "hook/selection.h"

#include <limits.h>

struct verify_container {
    char id[32];            /* "verify-" and 16 hexadecimal digits */
    char directory[64];     /* absolute; empty: none was made */
    char runtime[PATH_MAX]; /* runc or crun */
    const char *cgroup_parent;
};

/* Something else that is waited for while the container runs: `take` is called when `fd` is readable. */
struct verify_watch {
    int fd;
    int (*take)(void *data, struct error *err);
    void *data;
};

/* The path of the runtime that is called `engine` ("runc", "crun"), where distributions put them, or with
 * NULL the one that sallyport-runtime would take. */
int verify_container_engine(const char *engine, char ret_path[PATH_MAX], struct error *err);

/* Makes the bundle. `pin` has network and role; `words` are the arguments of `probe battery`, ended by NULL.
 * On failure too for verify_container_remove. */
int verify_container_make(struct verify_container *container, const struct selection *pin,
                          const char *const words[], struct error *err);

/* Runs it, and takes the probe's lines as they come. `progress` may be NULL; it is called after each. Takes
 * five minutes at most. SIGINT, SIGTERM and SIGHUP must be blocked; one of them ends it (-EINTR). */
int verify_container_run(const struct verify_container *container, struct verify_lines *lines,
                         void (*progress)(const struct verify_lines *lines), const struct verify_watch *watch,
                         struct error *err);

/* Removes the directory. */
int verify_container_remove(const struct verify_container *container, struct error *err);
