/* SPDX-License-Identifier: Apache-2.0
 *
 * What is changed in a container's config.json: our hooks last, the profile composed, NET_RAW and NET_ADMIN
 * gone, the proxy's environment, hosts and resolv.conf of its own. Editing twice equals editing once, and
 * what is not named here is kept. */
#pragma once

#include "base/error.h"
#include "hook/selection.h"
#include "policy/policy.h"
#include "seccomp/seccomp.h"

#include <jansson.h>

struct edit_request {
    const struct policy *policy;
    const struct policy_role *role;
    const struct selection *pin; /* what the hooks in the config get on their command line */
    const char *hook; /* absolute path of sallyport-hook, or NULL to leave the hooks alone (precreate) */
    int directory;    /* where hosts and resolv.conf are kept (the bundle); -1: beside the engine's own */
    const char *directory_path; /* absolute path of it */
};

/* What is pinned for a container: by `pin`, and by hooks of ours that its config has already (a hooks.d file
 * of the administrator's, or an edit before this one). Two pins that differ are an error: whichever won, one
 * of them would be overridden.
 *
 * *ret->selection points into *ret and into `pin`. */
struct edit_pin {
    char network[POLICY_NAME_SIZE];
    char role[POLICY_NAME_SIZE];
    struct selection selection;
};
int edit_find_pin(const json_t *config, const struct selection *pin, struct edit_pin *ret, struct error *err);

/* The config's hook of ours in the stage where it attaches, NULL if it has none. Borrowed. */
const json_t *edit_own_hook(const json_t *config);

/* Where the policy of a user without root is, as it was when the config was edited: takes it from our hook,
 * which has it in its environment. Podman starts a container with less environment than it
 * creates it with. For root nothing is done. */
void edit_adopt_environment(const json_t *config);

/* How the containers of a role are filtered, whether their config is edited or the filter injected. */
struct seccomp_options edit_seccomp_options(const struct policy_role *role);

/* Edits the config in place, and writes the hosts and resolv.conf files. */
int edit_config(json_t *config, const struct edit_request *request, struct error *err);
