/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_docker_runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANNOTATIONS_SINCE = 24 }; /* Docker's major version */

static bool is_default(const struct selection *pin)
{
    return strcmp(pin->network, POLICY_DEFAULT_NETWORK) == 0 && strcmp(pin->role, POLICY_DEFAULT_ROLE) == 0;
}

int verify_docker_runtime(const json_t *info, const struct selection *pin,
                          char ret_runtime[INSTALL_NAME_SIZE], bool *ret_annotated, struct error *err)
{
    const json_t *runtimes = json_object_get(info, "Runtimes");
    const char *version = json_string_value(json_object_get(info, "ServerVersion"));
    bool annotations = version != NULL && strtol(version, NULL, 10) >= ANNOTATIONS_SINCE;
    struct install_role role;
    char name[INSTALL_NAME_SIZE];

    snprintf(role.network, sizeof(role.network), "%s", pin->network);
    snprintf(role.role, sizeof(role.role), "%s", pin->role);
    install_runtime_name(&role, name);
    if (json_object_get(runtimes, name) != NULL) {
        strcpy(ret_runtime, name);
        *ret_annotated = false;
        return 0;
    }
    if (json_object_get(runtimes, INSTALL_RUNTIME) != NULL && (annotations || is_default(pin))) {
        strcpy(ret_runtime, INSTALL_RUNTIME);
        *ret_annotated = !is_default(pin);
        return 0;
    }
    error_set(err, 0, "dockerd has no runtime %s", name);
    return error_advise(err, "run `sallyport install docker --role %s.%s --reload`", pin->network, pin->role);
}
