/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/install.h"

#include <stdio.h>
#include <string.h>

const char *install_runtime_name(const struct install_role *role, char *buffer)
{
    snprintf(buffer, INSTALL_NAME_SIZE, INSTALL_RUNTIME "-%s-%s", role->network, role->role);
    return buffer;
}

const char *install_link_path(const char *engine, const struct install_role *role, char *buffer)
{
    snprintf(buffer, PATH_MAX, INSTALL_LINKS "/%s/sallyport-runtime.%s.%s", engine, role->network,
             role->role);
    return buffer;
}

bool install_link_parse(const char *engine, const char *path, struct install_role *ret)
{
    struct install_role role = {0};
    char made[PATH_MAX];
    const char *dot = strrchr(path, '/');

    dot = dot != NULL ? strchr(dot, '.') : NULL;
    if (dot == NULL || sscanf(dot, ".%12[a-z0-9-].%12[a-z0-9-]", role.network, role.role) != 2)
        return false;
    if (strcmp(install_link_path(engine, &role, made), path) != 0)
        return false;
    *ret = role;
    return true;
}

int install_roles_add(struct install_roles *roles, const char *network, const char *role, struct error *err)
{
    struct install_role added = {0};
    char name[INSTALL_NAME_SIZE];
    char other[INSTALL_NAME_SIZE];

    snprintf(added.network, sizeof(added.network), "%s", network);
    snprintf(added.role, sizeof(added.role), "%s", role);
    install_runtime_name(&added, name);
    for (size_t i = 0; i < roles->count; i++) {
        const struct install_role *item = &roles->items[i];

        if (strcmp(item->network, network) == 0 && strcmp(item->role, role) == 0)
            return 0;
        if (strcmp(install_runtime_name(item, other), name) == 0) {
            error_set(err, 0, "runtime %s: could be %s.%s or %s.%s", name, item->network, item->role, network,
                      role);
            return error_advise(err, "rename one of the networks or roles");
        }
    }
    if (roles->count == INSTALL_ROLES_MAX)
        return error_set(err, 0, "more than %d roles", INSTALL_ROLES_MAX);
    roles->items[roles->count++] = added;
    return 0;
}

int install_plan_links(const char *engine, const struct install_request *request,
                       const struct install_roles *roles, struct changes *changes, struct error *err)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < roles->count; i++) {
        int result = changes_link(changes, install_link_path(engine, &roles->items[i], path),
                                  request->undo ? NULL : request->runtime, err);

        if (result < 0)
            return result;
    }
    return 0;
}
