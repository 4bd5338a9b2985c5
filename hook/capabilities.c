/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/capabilities.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static const char *const NETWORK[] = {"CAP_NET_RAW", "CAP_NET_ADMIN"};

static const struct {
    const char *name;
    const char *way_out;
} UNCONTAINED[] = {
    {"CAP_SYS_ADMIN", "it can enter other namespaces and mount anything"},
    {"CAP_SYS_MODULE", "it can load code into the kernel"},
    {"CAP_SYS_RAWIO", "it can write to the machine's memory"},
    {"CAP_SYS_PTRACE", "it can take over processes outside the network"},
    {"CAP_SYS_BOOT", "it can start another kernel"},
    {"CAP_BPF", "it can load programs into the kernel"},
    {"CAP_PERFMON", "it can read the kernel's memory"},
    {"CAP_DAC_READ_SEARCH", "it can open any file of the host by handle, sockets of engines included"},
    {"CAP_MAC_ADMIN", "it can lift its own confinement"},
    {"CAP_MAC_OVERRIDE", "it can lift its own confinement"},
};

static bool in_list(const json_t *item, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (json_is_string(item) && strcasecmp(json_string_value(item), names[i]) == 0)
            return true;
    return false;
}

static void remove_from_set(json_t *set)
{
    for (size_t i = json_array_size(set); i > 0; i--)
        if (in_list(json_array_get(set, i - 1), NETWORK, array_size(NETWORK)))
            json_array_remove(set, i - 1);
}

void capabilities_remove_network(json_t *capabilities)
{
    const char *key = NULL;
    json_t *set = NULL;

    json_object_foreach(capabilities, key, set) remove_from_set(set);
}

/* Whether any set holds the capability. */
static bool holds(const json_t *capabilities, const char *name)
{
    json_t *all = (json_t *)(uintptr_t)capabilities;
    const char *key = NULL;
    json_t *set = NULL;

    json_object_foreach(all, key, set) for (size_t i = 0; i < json_array_size(set);
                                            i++) if (in_list(json_array_get(set, i), &name, 1)) return true;
    return false;
}

bool capabilities_have_net_admin(const json_t *capabilities)
{
    return holds(capabilities, "CAP_NET_ADMIN");
}

int capabilities_check(const json_t *capabilities, struct error *err)
{
    if (capabilities != NULL && !json_is_null(capabilities) && !json_is_object(capabilities))
        return error_set(err, 0, "config.json: process.capabilities is not an object");
    for (size_t i = 0; i < array_size(UNCONTAINED); i++) {
        if (!holds(capabilities, UNCONTAINED[i].name))
            continue;
        error_set(err, 0, "%s cannot be contained: %s", UNCONTAINED[i].name, UNCONTAINED[i].way_out);
        return error_advise(
            err, "drop it (--cap-drop %s, or no --privileged), or give the container a user namespace",
            UNCONTAINED[i].name + strlen("CAP_"));
    }
    return 0;
}
