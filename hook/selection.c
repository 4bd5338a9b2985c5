/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/selection.h"

#include "base/log.h"
#include "netns/uplink.h"

#include <string.h>

static const char PREFIX[] = "io.sallyport.";

static int check_name(const char *what, const char *name, struct error *err)
{
    if (name == NULL || policy_name_valid(name))
        return 0;
    error_set(err, 0, "%s `%s` is not a name", what, name);
    return error_advise(err, "use " POLICY_NAME_RULE);
}

int selection_check_pin(const struct selection *pin, struct error *err)
{
    int result = check_name("network", pin->network, err);

    return result < 0 ? result : check_name("role", pin->role, err);
}

/* A mistyped annotation would otherwise mean the default, silently. */
static int check_keys(const json_t *annotations, struct error *err)
{
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach((json_t *)(uintptr_t)annotations, key, value)
    {
        if (strncmp(key, PREFIX, strlen(PREFIX)) != 0)
            continue;
        if (strcmp(key, SELECTION_NETWORK) != 0 && strcmp(key, SELECTION_ROLE) != 0) {
            error_set(err, 0, "annotation `%s` is unknown", key);
            return error_advise(err, "known are " SELECTION_NETWORK " and " SELECTION_ROLE);
        }
        if (!json_is_string(value))
            return error_set(err, 0, "annotation `%s` is not a string", key);
    }
    return 0;
}

static const char *choose(const char *pinned, const json_t *annotations, const char *key,
                          const char *fallback)
{
    const char *annotated = json_string_value(json_object_get(annotations, key));

    if (pinned != NULL)
        return pinned;
    return annotated != NULL ? annotated : fallback;
}

int selection_choose(const struct selection *pin, const json_t *annotations, struct selection *ret,
                     struct error *err)
{
    struct selection chosen = {
        .network = choose(pin->network, annotations, SELECTION_NETWORK, POLICY_DEFAULT_NETWORK),
        .role = choose(pin->role, annotations, SELECTION_ROLE, POLICY_DEFAULT_ROLE),
    };
    int result = check_keys(annotations, err);

    if (result == 0)
        result = check_name("annotation " SELECTION_NETWORK ":", chosen.network, err);
    if (result == 0)
        result = check_name("annotation " SELECTION_ROLE ":", chosen.role, err);
    if (result == 0)
        *ret = chosen;
    return result;
}

static int refuse_unknown_role(const struct policy *policy, const char *role, struct error *err)
{
    char known[POLICY_ROLES_MAX * (POLICY_NAME_SIZE + 1)] = "";

    for (size_t i = 0; i < policy->roles_count; i++) {
        if (i > 0)
            strcat(known, " ");
        strcat(known, policy->roles[i].name);
    }
    error_set(err, 0, "role `%s` is not in the policy of network `%s`", role, policy->network);
    return error_advise(err, "its roles are: %s", known);
}

int selection_load(const struct selection *pin, const struct selection *selection, struct policy *ret_policy,
                   const struct policy_role **ret_role, struct error *err)
{
    const struct policy_role *role = NULL;
    int result = 0;

    if (strcmp(selection->role, POLICY_PROXY_ROLE) == 0 && pin->role == NULL) {
        error_set(err, 0, "role `" POLICY_PROXY_ROLE "` cannot be had by annotation");
        return error_advise(err, "pin it with --role " POLICY_PROXY_ROLE
                                 " on the hook's or runtime's command line");
    }
    result = policy_load(policy_directory(), selection->network, ret_policy, err);
    if (result < 0)
        return result;
    role = policy_role_find(ret_policy, selection->role);
    result = role == NULL ? refuse_unknown_role(ret_policy, selection->role, err)
                          : uplink_check_possible(ret_policy, err);
    if (result < 0) {
        policy_free(ret_policy);
        return result;
    }
    *ret_role = role;
    return 0;
}

int selection_resolve(const struct selection *pin, const json_t *annotations, struct policy *ret_policy,
                      const struct policy_role **ret_role, struct error *err)
{
    struct selection selection;
    int result = selection_choose(pin, annotations, &selection, err);

    if (result != 0)
        return result;
    log_context(selection.network, selection.role, NULL);
    return selection_load(pin, &selection, ret_policy, ret_role, err);
}
