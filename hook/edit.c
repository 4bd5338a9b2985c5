/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/edit.h"

#include "base/cleanup.h"
#include "base/rootless.h"
#include "hook/capabilities.h"
#include "hook/devices.h"
#include "hook/document.h"
#include "hook/environment.h"
#include "hook/filesystems.h"
#include "hook/names.h"
#include "hook/voucher.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define CONFIG_HOME "XDG_CONFIG_HOME="

static const char HOOK_NAME[] = "/sallyport-hook";

/* Where an administrator may have put the hook. */
static const char *const STAGES[] = {"prestart", "createRuntime", "poststop"};

static bool is_ours(const json_t *hook)
{
    const char *path = json_string_value(json_object_get(hook, "path"));
    size_t length = path != NULL ? strlen(path) : 0;

    return path != NULL && length >= strlen(HOOK_NAME) &&
           strcmp(path + length - strlen(HOOK_NAME), HOOK_NAME) == 0;
}

/* Takes the pin of one option, "--network" or "--role". */
static int take_pin(const char *option, const char *value, char name[POLICY_NAME_SIZE], const char **pin,
                    struct error *err)
{
    if (value == NULL || !policy_name_valid(value))
        return error_set(err, 0, "config.json: a hook of sallyport's has a wrong %s", option);
    if (*pin != NULL && strcmp(*pin, value) != 0) {
        error_set(err, 0, "%s is pinned twice, as `%s` and as `%s`", option, *pin, value);
        return error_advise(err, "make the runtime and the file in hooks.d agree, or use one of them");
    }
    if (*pin == NULL)
        *pin = strcpy(name, value);
    return 0;
}

/* The value of an option that is written "OPTION VALUE" or "OPTION=VALUE" at *at, which is moved to its last
 * argument; NULL if it is not there. */
static const char *option_value(const json_t *arguments, const char *option, size_t *at)
{
    const char *argument = json_string_value(json_array_get(arguments, *at));
    size_t length = strlen(option);

    if (argument == NULL || strncmp(argument, option, length) != 0)
        return NULL;
    if (argument[length] == '=')
        return argument + length + 1;
    return argument[length] == '\0' ? json_string_value(json_array_get(arguments, ++*at)) : NULL;
}

static int take_pins(const json_t *hook, struct edit_pin *pin, struct error *err)
{
    const json_t *arguments = json_object_get(hook, "args");
    int result = 0;

    for (size_t i = 1; result == 0 && i < json_array_size(arguments); i++) {
        const char *network = option_value(arguments, "--network", &i);
        const char *role = network == NULL ? option_value(arguments, "--role", &i) : NULL;

        if (network == NULL && role == NULL)
            return error_set(err, 0,
                             "config.json: a hook of sallyport's has arguments other than "
                             "--network NAME and --role NAME");
        if (network != NULL)
            result = take_pin("--network", network, pin->network, &pin->selection.network, err);
        else
            result = take_pin("--role", role, pin->role, &pin->selection.role, err);
    }
    return result;
}

int edit_find_pin(const json_t *config, const struct selection *pin, struct edit_pin *ret, struct error *err)
{
    const json_t *hooks = json_object_get(config, "hooks");
    int result = 0;

    *ret = (struct edit_pin){.selection = *pin};
    for (size_t stage = 0; stage < array_size(STAGES); stage++) {
        const json_t *list = json_object_get(hooks, STAGES[stage]);

        for (size_t i = 0; result == 0 && i < json_array_size(list); i++)
            if (is_ours(json_array_get(list, i)))
                result = take_pins(json_array_get(list, i), ret, err);
    }
    return result;
}

const json_t *edit_own_hook(const json_t *config)
{
    const json_t *list = json_object_get(json_object_get(config, "hooks"), "createRuntime");

    for (size_t i = 0; i < json_array_size(list); i++)
        if (is_ours(json_array_get(list, i)))
            return json_array_get(list, i);
    return NULL;
}

/* A hook that has an environment in the config has no other: without root it must tell where the policy is.
 */
static json_t *make_environment(const char *voucher)
{
    json_t *environment = json_array();
    const char *home = rootless() ? rootless_config_home() : NULL;

    if (voucher != NULL)
        json_array_append_new(environment, json_string(voucher));
    if (home != NULL)
        json_array_append_new(environment, json_sprintf(CONFIG_HOME "%s", home));
    return environment;
}

/* `voucher` (hook/voucher.h) may be NULL. */
static json_t *make_hook(const char *path, const struct selection *pin, const char *voucher)
{
    json_t *arguments = json_pack("[s]", path);
    json_t *environment = make_environment(voucher);

    if (pin->network != NULL) {
        json_array_append_new(arguments, json_string("--network"));
        json_array_append_new(arguments, json_string(pin->network));
    }
    if (pin->role != NULL) {
        json_array_append_new(arguments, json_string("--role"));
        json_array_append_new(arguments, json_string(pin->role));
    }
    if (json_array_size(environment) > 0)
        return json_pack("{s:s, s:o, s:o}", "path", path, "args", arguments, "env", environment);
    json_decref(environment);
    return json_pack("{s:s, s:o}", "path", path, "args", arguments);
}

void edit_adopt_environment(const json_t *config)
{
    const json_t *environment = json_object_get(edit_own_hook(config), "env");

    for (size_t i = 0; rootless() && i < json_array_size(environment); i++) {
        const char *string = json_string_value(json_array_get(environment, i));

        if (string != NULL && strncmp(string, CONFIG_HOME, strlen(CONFIG_HOME)) == 0)
            rootless_set_config_home(string + strlen(CONFIG_HOME));
    }
}

/* Our hook last in the stage: after the engine's own, which may add links. */
static int append_hook(json_t *hooks, const char *stage, json_t *hook, struct error *err)
{
    json_t *list = document_array(hooks, stage);

    if (list == NULL) {
        json_decref(hook);
        return error_set(err, 0, "config.json: hooks.%s is not an array", stage);
    }
    for (size_t i = json_array_size(list); i > 0; i--)
        if (is_ours(json_array_get(list, i - 1)))
            json_array_remove(list, i - 1);
    if (json_array_append_new(list, hook) < 0)
        return error_set(err, ENOMEM, "add a hook (a path that is not UTF-8, or no memory)");
    return 0;
}

struct seccomp_options edit_seccomp_options(const struct policy_role *role)
{
    return (struct seccomp_options){.nested = role->nested, .i386 = role->i386};
}

/* The profile must have been composed before. */
static int edit_hooks(json_t *config, const struct edit_request *request, struct error *err)
{
    json_t *hooks = document_object(config, "hooks");
    const json_t *profile = json_object_get(json_object_get(config, "linux"), "seccomp");
    const struct seccomp_options options = edit_seccomp_options(request->role);
    char voucher[VOUCHER_SIZE];
    int result = voucher_make(profile, &options, voucher, err);

    if (result < 0)
        return result;
    if (hooks == NULL)
        return error_set(err, 0, "config.json: hooks is not an object");
    result = append_hook(hooks, "createRuntime", make_hook(request->hook, request->pin, voucher), err);
    if (result == 0)
        result = append_hook(hooks, "poststop", make_hook(request->hook, request->pin, NULL), err);
    return result;
}

static int edit_seccomp(json_t *config, const struct policy_role *role, struct error *err)
{
    const struct seccomp_options options = edit_seccomp_options(role);
    json_t *os = json_object_get(config, "linux");
    const json_t *profile = json_object_get(os, "seccomp");
    json_t *composed = NULL;
    int result = seccomp_compose(json_is_null(profile) ? NULL : profile, &options, &composed, err);

    if (result < 0)
        return error_prefix(err, "linux.seccomp");
    return json_object_set_new(os, "seccomp", composed) < 0 ? error_set(err, ENOMEM, "set linux.seccomp") : 0;
}

int edit_config(json_t *config, const struct edit_request *request, struct error *err)
{
    json_t *process = json_object_get(config, "process");
    const char *hostname = names_hostname(config);
    int result = 0;

    capabilities_remove_network(json_object_get(process, "capabilities"));
    result = edit_seccomp(config, request->role, err);
    if (result == 0)
        result = environment_set_proxy(process, request->policy, request->role, err);
    if (result == 0 && hostname != NULL && request->role != &request->policy->proxy_role)
        result = environment_add_exception(process, hostname, err);
    if (result == 0)
        result = names_mount(config, request->directory, request->directory_path, request->policy,
                             request->role, err);
    if (result == 0)
        result = filesystems_make_private(config, err);
    if (result == 0)
        result = devices_deny_others(config, err);
    if (result == 0 && request->hook != NULL)
        result = edit_hooks(config, request, err);
    return result;
}
