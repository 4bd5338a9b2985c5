/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/address.h"

#include "base/cleanup.h"
#include "netns/hash.h"
#include "netns/member_state.h"
#include "netns/use.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WAIT_S = 5,       /* for a dying predecessor; 150 namespaces at once were gone in 31 ms */
    WAIT_STEP_MS = 2, /* between two looks, each of which costs 5 us */
    GRACE_LOOKS = 25, /* at a full pool: the last sockets of a container outlive it for some milliseconds */
};

struct claim {
    const struct member_request *request;
    const char *altname;
    struct netlink *hub;
    struct netlink *member;
    struct timespec deadline;
};

/* Waits a moment. Returns false when there is no more time. */
static bool wait_a_moment(const struct claim *claim)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > claim->deadline.tv_sec ||
        (now.tv_sec == claim->deadline.tv_sec && now.tv_nsec >= claim->deadline.tv_nsec))
        return false;
    poll(NULL, 0, WAIT_STEP_MS);
    return true;
}

static int refuse_waiting(const char *what, struct error *err)
{
    error_set(err, ETIMEDOUT, "take %s: its last container's namespace is still being removed", what);
    return error_advise(err, "try again");
}

int address_refuse_attached(const char *id, const struct link *link, struct error *err)
{
    error_set(err, EBUSY, "attach container %.64s: it is attached already (link %s in the hub)", id,
              link->name);
    return error_advise(err, "give every container an id of its own");
}

/* A link with our own container's id: its last life. It is left alone while somebody lives in it; what a
 * stray descriptor keeps alive after its processes have ended is retired, so that it cannot speak any more
 * with an address that is given away. Returns 1 to look again, 0 if it is gone. */
static int settle_own(const struct claim *claim, const struct link *link, struct error *err)
{
    enum use use = USE_UNKNOWN;
    int32_t ours = -1;
    int result = link_peer_dying(claim->hub, link, err);

    if (result < 0)
        return result;
    if (result == 1)
        return wait_a_moment(claim) ? 1 : refuse_waiting(link->name, err);
    result = link_netnsid(claim->hub, claim->request->netns, &ours, err);
    if (result < 0)
        return result;
    if (ours >= 0 && link->peer_netnsid == ours)
        return address_refuse_attached(claim->request->id, link, err);
    result = use_look(claim->hub, link->peer_netnsid, &use, NULL, err);
    if (result < 0)
        return result;
    if (use == USE_NONE)
        return member_retire(claim->hub, link, err);
    return use == USE_UNKNOWN && wait_a_moment(claim)
               ? 1
               : address_refuse_attached(claim->request->id, link, err);
}

static int settle_predecessor(const struct claim *claim, struct error *err)
{
    for (;;) {
        struct link link;
        int result = link_find(claim->hub, claim->altname, &link, err);

        if (result == -ENODEV)
            return 0;
        if (result == 0)
            result = settle_own(claim, &link, err);
        if (result <= 0)
            return result;
    }
}

/* A namespace that outlived its container, and that another one joins: the first one's link ends in it still,
 * retired in the hub. Returns 1 if it was that, and is gone now. */
static int delete_retired(const struct claim *claim, const struct link *far, struct error *err)
{
    struct error unimportant;
    struct link near;
    int32_t ours = -1;
    int result = link_netnsid(claim->hub, claim->request->netns, &ours, err);

    if (result < 0)
        return result;
    if (link_find_index(claim->hub, far->peer, &near, &unimportant) < 0) /* never, or not any more */
        return link_find(claim->member, MEMBER_LINK, &near, &unimportant) == -ENODEV;
    if (!link_retired(&near) || near.peer != far->index || ours < 0 || near.peer_netnsid != ours)
        return 0;
    result = link_delete(claim->hub, near.index, err);
    return result < 0 ? result : 1;
}

static int refuse_second(struct error *err)
{
    error_set(err, EEXIST, "make link %s in the container: it has one of that name", MEMBER_LINK);
    return error_advise(err, "do not attach a container twice, and give none an interface of that name");
}

/* Tries one address. Returns 1 if it is taken. */
static int try_address(const struct claim *claim, uint32_t address, struct error *err)
{
    for (;;) {
        struct link link;
        int result = link_create(claim->hub, address, MEMBER_LINK, claim->request->netns, err);

        if (result != -EEXIST)
            return result;
        /* The kernel does not say which of the two names is taken. */
        result = link_find(claim->member, MEMBER_LINK, &link, err);
        if (result == -ENODEV)
            return 1;
        if (result == 0)
            result = delete_retired(claim, &link, err);
        if (result <= 0)
            return result < 0 ? result : refuse_second(err);
    }
}

static int refuse_held(const struct claim *claim, const struct link *link, uint32_t address,
                       struct error *err)
{
    const char *holder = link->altnames_count > 0 ? link->altnames[0] + strlen(MEMBER_ALTNAME_PREFIX) : NULL;
    char text[16];

    error_set(err, EADDRINUSE, "give role %s its address %s: container %.64s has it",
              claim->request->role->name, policy_format_address(address, text),
              holder != NULL ? holder : "(being attached)");
    return error_advise(err, "stop that container, or give the role a range of addresses");
}

/* A fixed address that is taken. A namespace without processes is as good as dying: the last sockets of a
 * container outlive it for some milliseconds. If a stray descriptor keeps it for longer it has the address,
 * until the engine's poststop retires its link. Returns 1 to try again. */
static int ask_holder(const struct claim *claim, uint32_t address, struct error *err)
{
    enum use use = USE_UNKNOWN;
    char name[IFNAMSIZ];
    struct link link;
    int result = 0;

    link_hub_name(address, name);
    result = link_find(claim->hub, name, &link, err);
    if (result == -ENODEV)
        return 1;
    if (result == 0)
        result = link_peer_dying(claim->hub, &link, err);
    if (result < 0)
        return result;
    if (result == 1)
        return wait_a_moment(claim) ? 1 : refuse_waiting(name, err);
    result = use_look(claim->hub, link.peer_netnsid, &use, NULL, err);
    if (result < 0)
        return result;
    return use != USE_LIVE && wait_a_moment(claim) ? 1 : refuse_held(claim, &link, address, err);
}

static int take_fixed(const struct claim *claim, uint32_t *ret_address, struct error *err)
{
    uint32_t address = claim->request->role->addresses.first;

    for (;;) {
        int result = try_address(claim, address, err);

        if (result == 0)
            *ret_address = address;
        if (result == 1)
            result = ask_holder(claim, address, err);
        if (result <= 0)
            return result;
    }
}

/* One way around the pool, from a place that depends on the id. Returns 1 if all are taken. */
static int go_around(const struct claim *claim, uint32_t *ret_address, struct error *err)
{
    const struct policy_role *role = claim->request->role;
    uint64_t size = (uint64_t)role->addresses.last - role->addresses.first + 1;
    uint64_t start = hash_64(claim->request->id, strlen(claim->request->id)) % size;

    for (uint64_t i = 0; i < size; i++) {
        uint32_t address = role->addresses.first + (uint32_t)((start + i) % size);
        int result = 0;

        if (!policy_role_may_have(claim->request->policy, role, address))
            continue;
        result = try_address(claim, address, err);
        if (result == 0)
            *ret_address = address;
        if (result <= 0)
            return result;
    }
    return 1;
}

/* Whether an address of the pool is about to come free. Returns 1, 0 or an error. */
static int anyone_dying(const struct claim *claim, struct error *err)
{
    const struct policy_range *range = &claim->request->role->addresses;
    cleanup_free struct link *links = NULL;
    size_t count = 0;
    uint32_t address = 0;
    int result = link_list(claim->hub, &links, &count, err);

    for (size_t i = 0; i < count && result == 0; i++)
        if (link_hub_address(links[i].name, &address) && address >= range->first && address <= range->last)
            result = link_peer_dying(claim->hub, &links[i], err);
    return result;
}

static int refuse_exhausted(const struct claim *claim, struct error *err)
{
    const struct policy_role *role = claim->request->role;
    char first[16];
    char last[16];

    error_set(err, ENOSPC, "give role %s an address: its pool %s to %s is exhausted", role->name,
              policy_format_address(role->addresses.first, first),
              policy_format_address(role->addresses.last, last));
    return error_advise(err, "stop containers of that role, or give it a larger pool");
}

/* Exhausted is a pool in which nobody is dying, nor has a moment ago been on the way to that. */
static int take_from_pool(const struct claim *claim, uint32_t *ret_address, struct error *err)
{
    unsigned looks = 0;
    int result = 0;

    while ((result = go_around(claim, ret_address, err)) == 1) {
        result = anyone_dying(claim, err);
        if (result < 0)
            return result;
        looks = result == 1 ? 0 : looks + 1;
        if (looks > GRACE_LOOKS || !wait_a_moment(claim))
            return refuse_exhausted(claim, err);
    }
    return result;
}

int address_take(const struct member_request *request, const char *altname, struct netlink *hub,
                 struct netlink *member, struct link *ret_link, uint32_t *ret_address, struct error *err)
{
    struct claim claim = {.request = request, .altname = altname, .hub = hub, .member = member};
    const struct policy_range *range = &request->role->addresses;
    char name[IFNAMSIZ];
    uint32_t address = 0;
    int result = 0;

    clock_gettime(CLOCK_MONOTONIC, &claim.deadline);
    claim.deadline.tv_sec += WAIT_S;
    result = settle_predecessor(&claim, err);
    if (result == 0 && range->first == range->last)
        result = take_fixed(&claim, &address, err);
    else if (result == 0)
        result = take_from_pool(&claim, &address, err);
    if (result < 0)
        return result;
    /* Should this fail, the pair goes with the member's namespace, in which nothing will ever run. */
    link_hub_name(address, name);
    result = link_find(hub, name, ret_link, err);
    if (result == 0)
        *ret_address = address;
    return result;
}
