/* SPDX-License-Identifier: Apache-2.0
 *
 * What is changed in a container's config.json: our hooks last, the profile composed, NET_RAW and NET_ADMIN
 * gone, the proxy's environment, hosts and resolv.conf of its own. Editing twice equals editing once, and
 * what is not named here is kept. */
#pragma once

#include "base/error.h"
#include "hook/selection.h"
#include "policy/policy.h"

#include <jansson.h>

struct edit_request {
    const struct policy *policy;
    const struct policy_role *role;
    const struct selection *pin; /* what the hooks in the config get on their command line */
    const char *hook; /* absolute path of sallyport-hook, or NULL to leave the hooks alone (precreate) */
    int directory;    /* where hosts and resolv.conf are kept (the bundle); -1: beside the engine's own */
    const char *directory_path; /* absolute path of it */
};

/* Edits the config in place, and writes the hosts and resolv.conf files. */
int edit_config(json_t *config, const struct edit_request *request, struct error *err);
