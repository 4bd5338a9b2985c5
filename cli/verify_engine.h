/* SPDX-License-Identifier: Apache-2.0
 *
 * What an engine does for verify. runc and crun get a bundle of our own (verify_bundle.c), because there is
 * nothing between them and whoever writes the bundle. Docker and Podman are called as their users call them,
 * by the client, with an image (verify_client.c): config, profile, capabilities, mounts and network are the
 * engine's own, and so is the way to Sallyport (verify_docker.c, verify_podman.c).
 *
 * The container gets the network that the engine gives a container of somebody who said nothing: what the
 * engine adds has to be taken away again, so this is the harder case, and `--network none` is part of it.
 * Only a role that has such links refused or kept gets none. */
#pragma once

#include "cli/verify_container.h"

struct verify_engine {
    const char *name;
    /* Program and way, where there is something to be found. */
    int (*find)(struct verify_container *container, struct error *err);
    /* Image or bundle, and the two command lines. */
    int (*make)(struct verify_container *container, const char *const words[], struct error *err);
    /* What `make` made outside of the directory; NULL: nothing. */
    int (*remove)(const struct verify_container *container, struct error *err);
};

extern const struct verify_engine verify_engine_docker;
extern const struct verify_engine verify_engine_podman;
extern const struct verify_engine verify_engine_runc;
extern const struct verify_engine verify_engine_crun;
extern const struct verify_engine verify_engine_any; /* runc or crun, see verify_container_find */

/* The path of the program where distributions put it. -ENOENT if it is in none of these places. */
int verify_program_find(const char *name, char ret_path[PATH_MAX], struct error *err);

/* The path of the probe that was built or installed with this program. */
int verify_probe_find(char ret_path[PATH_MAX], struct error *err);

/* Says the way, once `runtime` (empty: by hooks) and `annotated` are known. */
void verify_client_way(struct verify_container *container);

/* make and remove of Docker and Podman: `client`, `options` and `annotated` are filled in. */
int verify_client_make(struct verify_container *container, const char *const words[], struct error *err);
int verify_client_remove(const struct verify_container *container, struct error *err);
