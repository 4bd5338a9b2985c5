/* SPDX-License-Identifier: Apache-2.0
 *
 * The throw-away container of `sallyport verify`, with nothing in it but the probe. How one is made depends
 * on the engine (verify_engine.h); what all have in common are two command lines, one that runs the container
 * and stays until it has ended, and one that ends it.
 *
 * Invariant: when verify_container_run has returned, however it ended (a signal too), the container has been
 * deleted; after verify_container_remove its image and directory are, or the error says what is left. */
#pragma once

#include "base/error.h"
#include "cli/verify_command.h"
#include "cli/verify_lines.h"
#include "hook/selection.h"

#include <limits.h>

struct verify_engine;

struct verify_container {
    const struct verify_engine *engine;
    struct selection pin;
    const char *cgroup_parent; /* empty: the engine's own choice */
    bool no_network;           /* the engine is told to add none */
    const char *engine_name;   /* "runc", "crun", "docker", "podman" */
    char way[128];             /* how the container comes to be sealed, for people */
    char program[PATH_MAX];    /* the runtime, or the engine's client */
    char name[32];             /* "verify-" and 16 hexadecimal digits; empty: none was made */
    char directory[96];        /* absolute */
    char id[72];               /* what its runtime calls it; empty: there is none yet */
    struct words run;
    struct words end; /* does nothing where there is no container */
    /* Docker and Podman: */
    struct words client;    /* what every call of the client begins with */
    struct words options;   /* of its `create` */
    char runtime[64];       /* what --runtime is given; empty: nothing */
    bool annotated;         /* network and role are chosen by annotations */
    char address[PATH_MAX]; /* where dockerd listens, as its client wants it */
    char texts[3][192];     /* what the words point to */
};

/* Finds out how `engine` ("runc", "crun", "docker", "podman"; NULL: the runtime that sallyport-runtime would
 * take) makes a container in the role, before anything is made. The pin is borrowed. */
int verify_container_find(const char *engine, const struct selection *pin, const struct policy_role *role,
                          const char *cgroup_parent, struct verify_container *ret, struct error *err);

/* Makes what it needs. `words` are the arguments of `probe battery`, ended by NULL, and are borrowed until
 * the end of verify_container_run. On failure too for verify_container_remove. */
int verify_container_make(struct verify_container *container, const char *const words[], struct error *err);

/* Runs it, and takes the probe's lines as they come. `progress` may be NULL; it is called after each. `watch`
 * is taken from meanwhile. Takes five minutes at most. SIGINT, SIGTERM and SIGHUP must be blocked; one of
 * them ends it (-EINTR). */
int verify_container_run(const struct verify_container *container, struct verify_lines *lines,
                         void (*progress)(const struct verify_lines *lines), const struct verify_watch *watch,
                         struct error *err);

/* Removes image and directory, and the container where it is still there. */
int verify_container_remove(const struct verify_container *container, struct error *err);
