/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/capabilities.h"

#include "base/cleanup.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/capability.h>

/* A set of capabilities: libcap knows none that has no bit here. */
#define BIT(value) (UINT64_C(1) << (value))

static const uint64_t NETWORK = BIT(CAP_NET_RAW) | BIT(CAP_NET_ADMIN);

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

static uint64_t bit_of(const json_t *item)
{
    cap_value_t value = value_of(item);

    return value >= 0 && value < 64 ? BIT(value) : 0;
}

static void remove_from_set(json_t *set)
{
    for (size_t i = json_array_size(set); i > 0; i--)
        if ((bit_of(json_array_get(set, i - 1)) & NETWORK) != 0)
            json_array_remove(set, i - 1);
}

void capabilities_remove_network(json_t *capabilities)
{
    const char *key = NULL;
    json_t *set = NULL;

    json_object_foreach(capabilities, key, set) remove_from_set(set);
}

static uint64_t bits_of(const json_t *set)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < json_array_size(set); i++)
        bits |= bit_of(json_array_get(set, i));
    return bits;
}

/* Of all sets together: each name is looked up once, however many capabilities are asked for. */
static uint64_t held(const json_t *capabilities)
{
    json_t *all = (json_t *)(uintptr_t)capabilities;
    const char *key = NULL;
    json_t *set = NULL;
    uint64_t bits = 0;

    json_object_foreach(all, key, set) bits |= bits_of(set);
    return bits;
}

void capabilities_restrict(json_t *capabilities, const json_t *limit)
{
    uint64_t bounding = bits_of(json_object_get(limit, "bounding"));
    const char *key = NULL;
    json_t *set = NULL;

    json_object_foreach(capabilities, key, set)
    {
        for (size_t i = json_array_size(set); i > 0; i--) {
            /* What is no capability to us might be one to the runtime. */
            if ((bit_of(json_array_get(set, i - 1)) & bounding) == 0)
                json_array_remove(set, i - 1);
        }
    }
    capabilities_remove_network(capabilities);
}

bool capabilities_have_net_admin(const json_t *capabilities)
{
    return (held(capabilities) & BIT(CAP_NET_ADMIN)) != 0;
}

int capabilities_check(const json_t *capabilities, struct error *err)
{
    uint64_t bits = held(capabilities);

    if (capabilities != NULL && !json_is_null(capabilities) && !json_is_object(capabilities))
        return error_set(err, 0, "config.json: process.capabilities is not an object");
    for (size_t i = 0; i < array_size(UNCONTAINED); i++) {
        if ((bits & BIT(UNCONTAINED[i].value)) == 0)
            continue;
        error_set(err, 0, "CAP_%s cannot be contained: %s", UNCONTAINED[i].name, UNCONTAINED[i].way_out);
        return error_advise(err,
                            "drop it (--cap-drop %s, or no --privileged and no --cap-add ALL), or give the "
                            "container a user namespace",
                            UNCONTAINED[i].name);
    }
    return 0;
}
