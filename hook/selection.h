/* SPDX-License-Identifier: Apache-2.0
 *
 * Which network and role a container gets. What the administrator pinned on the command line wins; then the
 * container's annotations; then the defaults. Annotations come from whoever starts the container: they only
 * ever select what a policy defines, and never the role `proxy`. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <jansson.h>

#define SELECTION_NETWORK "io.sallyport.network"
#define SELECTION_ROLE "io.sallyport.role"

struct selection {
    const char *network; /* NULL in a pin: not pinned */
    const char *role;
};

/* Checks the names of a pin (from a command line). */
int selection_check_pin(const struct selection *pin, struct error *err);

/* Chooses. `annotations` may be NULL. The strings of *ret are borrowed from the arguments. */
int selection_choose(const struct selection *pin, const json_t *annotations, struct selection *ret,
                     struct error *err);

/* Chooses, has messages name the choice, and loads it: all of the way from a container's annotations to its
 * role. As selection_choose and selection_load. */
int selection_resolve(const struct selection *pin, const json_t *annotations, struct policy *ret_policy,
                      const struct policy_role **ret_role, struct error *err);

/* Loads the policy of the selection and finds its role in it. *ret_policy is for policy_free, and the role
 * lives in it. Refuses the role `proxy` unless it was pinned. */
int selection_load(const struct selection *pin, const struct selection *selection, struct policy *ret_policy,
                   const struct policy_role **ret_role, struct error *err);
