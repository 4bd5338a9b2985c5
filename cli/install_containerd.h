/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport install containerd, in three parts: what containerd has (install_containerd_config.c), what we
 * add (install_containerd_block.c), and the plan (install_containerd.c). */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "cli/install.h"

#include <stdbool.h>

#define CONTAINERD "containerd" /* the engine's name for install_link_path and its like */

/* The marks of our block, a line each. */
#define CONTAINERD_BEGIN "# BEGIN sallyport: "
#define CONTAINERD_END "# END sallyport\n"

#define CONTAINERD_K3S "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
#define CONTAINERD_RKE2 "/var/lib/rancher/rke2/agent/etc/containerd/config.toml"

struct containerd_plan {
    struct install_request *request;
    struct changes *changes;
    const char *config;    /* what containerd reads */
    char target[PATH_MAX]; /* the file that is written: config, its template, or a drop-in */
    bool drop_in;
    json_t *document; /* config and what it imports; an empty object if there is none */
    json_int_t version;
    const char *plugin; /* CRI, by its name in this version */
    const json_t *base; /* the handler to begin with, borrowed from document; NULL: has none */
    bool names_runc;    /* the block has to */
    bool by_annotation; /* there is a handler by which whoever writes a container's annotations chooses */
    struct install_roles roles;
};

/* What containerd reads: --config, or the first that is there of containerd's own, k3s's and rke2's. */
const char *containerd_config_path(const struct install_request *request);

/* Whether k3s or rke2 make the file anew at each start. */
bool containerd_is_generated(const char *config);

/* Reads `plan->config` and what it imports, and decides where to write. Refuses what would not take effect.
 */
int containerd_look(struct containerd_plan *plan, struct error *err);

/* Goes on with another document, given away, for `plan->config`. */
int containerd_replace_document(struct containerd_plan *plan, json_t *document, struct error *err);

/* The handlers (`runtimes`) of the document's CRI plugin; borrowed, NULL if there are none. */
const json_t *containerd_handlers(const json_t *document, const char *plugin);

/* The block with all handlers of the plan, marks included, for the caller to free. */
int containerd_make_block(const struct containerd_plan *plan, char **ret, struct error *err);
