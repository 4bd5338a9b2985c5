/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/late_network.h"

#include "hook/config.h"

#include <stdbool.h>
#include <string.h>

static bool has_mount(const json_t *config, const char *path)
{
    const json_t *mounts = json_object_get(config, "mounts");

    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const char *destination =
            json_string_value(json_object_get(json_array_get(mounts, i), "destination"));

        if (destination != NULL && strcmp(destination, path) == 0)
            return true;
    }
    return false;
}

int refuse_late_network(const json_t *config, struct error *err)
{
    const char *path = json_string_value(json_object_get(config_namespace(config, "network"), "path"));

    /* A network that is there already has a path: the hook sees what is in it. */
    if (!config_has_user_namespace(config) || (path != NULL && path[0] != '\0') ||
        !has_mount(config, "/etc/resolv.conf"))
        return 0;
    error_set(err, 0, "the container has a user namespace, and Podman attaches its network after the hooks");
    return error_advise(
        err, "start it with --network none, or without annotations and with a runtime that pins the role "
             "(sallyport install podman --role)");
}
