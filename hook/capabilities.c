/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/capabilities.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/capability.h>

static const cap_value_t NETWORK[] = {CAP_NET_RAW, CAP_NET_ADMIN};

static const struct {
    cap_value_t value;
    const char *name; /* as engines' options spell it */
    const char *way_out;
} UNCONTAINED[] = {
    {CAP_SYS_ADMIN, "SYS_ADMIN", "it can enter other namespaces and mount anything"},
    {CAP_SYS_MODULE, "SYS_MODULE", "it can load code into the kernel"},
    {CAP_SYS_RAWIO, "SYS_RAWIO", "it can write to the machine's memory"},
    {CAP_SYS_PTRACE, "SYS_PTRACE", "it can take over processes outside the network"},
    {CAP_SYS_BOOT, "SYS_BOOT", "it can start another kernel"},
    {CAP_BPF, "BPF", "it can load programs into the kernel"},
    {CAP_PERFMON, "PERFMON", "it can read the kernel's memory"},
    {CAP_DAC_READ_SEARCH, "DAC_READ_SEARCH",
     "it can open any file of the host by handle, sockets of engines included"},
    {CAP_MAC_ADMIN, "MAC_ADMIN", "it can lift its own confinement"},
    {CAP_MAC_OVERRIDE, "MAC_OVERRIDE", "it can lift its own confinement"},
};

/* The capability that a runtime would take the item for, -1 if none. crun asks libcap, which takes numbers
 * ("13", "0xd"), any case and white space behind the name too, so libcap is asked here as well; the prefix
 * may be missing. */
static cap_value_t value_of(const json_t *item)
{
    const char *name = json_string_value(item);
    char prefixed[64];
    cap_value_t found = -1;

    if (name == NULL)
        return -1;
    if (cap_from_name(name, &found) == 0)
        return found;
    snprintf(prefixed, sizeof(prefixed), "CAP_%s", name);
    return cap_from_name(prefixed, &found) == 0 ? found : -1;
}

static bool is_network(const json_t *item)
{
    for (size_t i = 0; i < array_size(NETWORK); i++)
        if (value_of(item) == NETWORK[i])
            return true;
    return false;
}

static void remove_from_set(json_t *set)
{
    for (size_t i = json_array_size(set); i > 0; i--)
        if (is_network(json_array_get(set, i - 1)))
            json_array_remove(set, i - 1);
}

void capabilities_remove_network(json_t *capabilities)
{
    const char *key = NULL;
    json_t *set = NULL;

    json_object_foreach(capabilities, key, set) remove_from_set(set);
}

static bool set_has(const json_t *set, cap_value_t value)
{
    for (size_t i = 0; i < json_array_size(set); i++)
        if (value_of(json_array_get(set, i)) == value)
            return true;
    return false;
}

/* Whether any set holds the capability. */
static bool holds(const json_t *capabilities, cap_value_t value)
{
    json_t *all = (json_t *)(uintptr_t)capabilities;
    const char *key = NULL;
    json_t *set = NULL;

    json_object_foreach(all, key, set)
    {
        if (set_has(set, value))
            return true;
    }
    return false;
}

void capabilities_restrict(json_t *capabilities, const json_t *limit)
{
    const json_t *bounding = json_object_get(limit, "bounding");
    const char *key = NULL;
    json_t *set = NULL;

    json_object_foreach(capabilities, key, set)
    {
        for (size_t i = json_array_size(set); i > 0; i--) {
            const json_t *item = json_array_get(set, i - 1);

            /* What is no capability to us might be one to the runtime. */
            if (value_of(item) < 0 || !set_has(bounding, value_of(item)))
                json_array_remove(set, i - 1);
        }
    }
    capabilities_remove_network(capabilities);
}

bool capabilities_have_net_admin(const json_t *capabilities)
{
    return holds(capabilities, CAP_NET_ADMIN);
}

int capabilities_check(const json_t *capabilities, struct error *err)
{
    if (capabilities != NULL && !json_is_null(capabilities) && !json_is_object(capabilities))
        return error_set(err, 0, "config.json: process.capabilities is not an object");
    for (size_t i = 0; i < array_size(UNCONTAINED); i++) {
        if (!holds(capabilities, UNCONTAINED[i].value))
            continue;
        error_set(err, 0, "CAP_%s cannot be contained: %s", UNCONTAINED[i].name, UNCONTAINED[i].way_out);
        return error_advise(err,
                            "drop it (--cap-drop %s, or no --privileged and no --cap-add ALL), or give the "
                            "container a user namespace",
                            UNCONTAINED[i].name);
    }
    return 0;
}
