/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/member.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "netns/address.h"
#include "netns/child.h"
#include "netns/guard.h"
#include "netns/hash.h"
#include "netns/hub.h"
#include "netns/hub_rules.h"
#include "netns/member_state.h"
#include "netns/namespace.h"
#include "netns/netlink.h"
#include "netns/pin.h"
#include "netns/route.h"
#include "netns/use.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    ID_MAX = 120, /* of an id in an altname: as it is */
    ID_KEPT = 80, /* and before its hash */

    LAST_MOMENTS_MS = 50, /* of processes that have been killed with their container */
    LAST_STEP_MS = 2,

    MANY = 256, /* namespaces beside a member's */
};

struct attach {
    const struct member_request *request;
    struct netlink *hub;
    struct netlink *hub_rules;
    struct netlink *member;
    struct link link; /* the hub's end; index 0 while there is none */
    uint32_t address;
    char altname[LINK_ALTNAME_SIZE];
};

void member_altname(const char *id, char ret_altname[LINK_ALTNAME_SIZE])
{
    char digits[HASH_128_SIZE];
    size_t length = strlen(id);

    if (length <= ID_MAX) {
        snprintf(ret_altname, LINK_ALTNAME_SIZE, MEMBER_ALTNAME_PREFIX "%s", id);
        return;
    }
    hash_128(id, length, digits);
    snprintf(ret_altname, LINK_ALTNAME_SIZE, MEMBER_ALTNAME_PREFIX "%.*s~%s", ID_KEPT, id, digits);
}

/* In the member, before anything else. */
static int install_guard(const struct attach *attach, struct error *err)
{
    cleanup_netlink struct netlink *netfilter = NULL;
    int result = netlink_open(NETLINK_NETFILTER, &netfilter, err);

    const struct guard guard = member_guard(attach->request);

    return result < 0 ? result : guard_install(netfilter, &guard, err);
}

/* While the link is still down. Ours alone: with `default` an engine that adds its own interface later could
 * not give it an IPv6 address, and would fail the container's start before the seal can remove it.
 *
 * The hub's number for a namespace is the lowest that is free: about as many others live. */
static int disable_ipv6(const struct attach *attach, struct error *err)
{
    static const char name[] = "net/ipv6/conf/" MEMBER_LINK "/disable_ipv6";
    int result = attach->link.peer_netnsid < MANY ? namespace_sysctl(name, "1", err)
                                                  : namespace_sysctl_apart(name, "1", err);

    return result == -ENOENT && !namespace_has_ipv6() ? 0 : result;
}

/* `lo` has IPv6 unless the engine took it away; without it the kernel knows no unreachable route, and none is
 * needed: every IPv6 destination is unreachable at once. */
static bool loopback_has_ipv6(void)
{
    cleanup_close int fd = open("/proc/sys/net/ipv6/conf/lo/disable_ipv6", O_RDONLY | O_CLOEXEC);
    char value = '1';

    return fd >= 0 && read(fd, &value, 1) == 1 && value == '0';
}

static int configure_member(const struct attach *attach, struct error *err)
{
    const struct policy *policy = attach->request->policy;
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    int index = attach->link.peer;
    const struct route subnet = member_subnet_route(policy, attach->address, index);
    const struct route unreachable = member_unreachable_route(AF_INET);
    const struct route unreachable6 = member_unreachable_route(AF_INET6);
    uint8_t mac[LINK_MAC_SIZE];
    size_t failed = 0;
    int result = 0;

    link_hub_mac(attach->address, mac);
    link_add_loopback_up(batch);
    link_add_up(batch, index, NULL);
    link_add_address(batch, index, attach->address, RT_SCOPE_UNIVERSE);
    link_add_neighbour(batch, index, LINK_GATEWAY, mac);
    route_add(batch, NLM_F_EXCL, &subnet, "add route to the subnet");
    if (member_keeps_links(attach->request))
        return netlink_send(attach->member, batch, NULL, err);
    route_add(batch, NLM_F_REPLACE, &unreachable, "add unreachable default route");
    route_add(batch, NLM_F_REPLACE, &unreachable6, "add unreachable IPv6 default route");
    result = netlink_send(attach->member, batch, &failed, err);
    if (result < 0 && failed == netlink_batch_count(batch) - 1 && !loopback_has_ipv6())
        return 0;
    return result;
}

/* Of several with one id that are attached at the same time, all but one learn it here. */
static int explain_name(const struct attach *attach, int result, struct error *err)
{
    struct link other;
    struct error unimportant;

    if (result != -EEXIST || link_find(attach->hub, attach->altname, &other, &unimportant) < 0 ||
        other.index == attach->link.index)
        return result;
    return address_refuse_attached(attach->request->id, &other, err);
}

/* The last step: from here on packets pass. */
static int connect_hub(const struct attach *attach, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    int index = attach->link.index;
    const struct route member = member_hub_route(attach->address, index);
    uint8_t mac[LINK_MAC_SIZE];
    int result = 0;

    link_far_mac(attach->address, mac);
    link_add_altname(batch, index, attach->altname);
    link_add_up(batch, index, attach->request->role->name);
    link_add_neighbour(batch, index, attach->address, mac);
    route_add(batch, NLM_F_EXCL, &member, "add route to the member");
    result = netlink_send(attach->hub, batch, NULL, err);
    return result < 0 ? explain_name(attach, result, err) : 0;
}

/* With the thread in the member's namespace, where sysctls are written. */
static int attach_inside(struct attach *attach, struct error *err)
{
    const struct member_request *request = attach->request;
    int result = install_guard(attach, err);

    if (result == 0)
        result = netlink_open(NETLINK_ROUTE, &attach->member, err);
    if (result == 0)
        result = address_take(request, attach->altname, attach->hub, attach->member, &attach->link,
                              &attach->address, err);
    if (result == 0)
        result = disable_ipv6(attach, err);
    if (result == 0)
        result = configure_member(attach, err);
    if (result == 0)
        result =
            hub_rules_forget(attach->hub_rules, attach->address, err); /* of who had the address before */
    if (result == 0)
        result = connect_hub(attach, err);
    return result == 0 ? link_notice_carrier(attach->member, MEMBER_LINK, err) : result;
}

/* The hub that the caller has opened must still be the network's, now that it cannot change any more. */
static int check_hub(const struct attach *attach, struct error *err)
{
    const struct member_request *request = attach->request;
    cleanup_close int current = pin_open(request->policy->network, err);

    if (current < 0 && current != -ENOENT)
        return current;
    if (current < 0 || !namespace_same(current, request->hub)) {
        error_set(err, 0, "network %s was taken down meanwhile", request->policy->network);
        return error_advise(err, "try again");
    }
    return hub_check_by(attach->hub_rules, request->policy, err);
}

static int attach_locked(struct attach *attach, struct error *err)
{
    const struct member_request *request = attach->request;
    struct error ignored;
    int result = netlink_open_in(request->hub, request->host_netns, NETLINK_ROUTE, &attach->hub, err);

    if (result == 0)
        result =
            netlink_open_in(request->hub, request->host_netns, NETLINK_NETFILTER, &attach->hub_rules, err);
    if (result == 0)
        result = check_hub(attach, err);
    if (result == 0)
        result = namespace_enter(request->netns, err);
    if (result < 0)
        return result;
    result = attach_inside(attach, err);
    namespace_return(request->host_netns);
    if (result < 0 && attach->link.index != 0)
        link_delete(attach->hub, attach->link.index, &ignored);
    return result;
}

int member_attach(const struct member_request *request, uint32_t *ret_address, struct error *err)
{
    struct attach attach = {.request = request};
    cleanup_close int lock = -1;
    int result = 0;

    if (request->id[0] == '\0')
        return error_set(err, 0, "attach a container without an id");
    member_altname(request->id, attach.altname);
    lock = pin_lock(false, err);
    if (lock < 0)
        return lock;
    result = attach_locked(&attach, err);
    netlink_close(attach.member);
    netlink_close(attach.hub);
    netlink_close(attach.hub_rules);
    if (result == 0)
        *ret_address = attach.address;
    return result;
}

/* Who lives behind the link, once those who are ending have ended. Returns 1 if the namespace itself is. */
static int look_for_life(struct netlink *netlink, const struct link *link, enum use *ret, pid_t *ret_pid,
                         struct error *err)
{
    int64_t end = clock_milliseconds() + LAST_MOMENTS_MS;

    for (;;) {
        int result = link_peer_dying(netlink, link, err);

        if (result == 0)
            result = use_look(netlink, link->peer_netnsid, ret, ret_pid, err);
        if (result != 0 || *ret != USE_LIVE || clock_milliseconds() >= end)
            return result;
        poll(NULL, 0, LAST_STEP_MS);
    }
}

static int refuse_detach(const char *id, const struct link *link, enum use use, pid_t pid, struct error *err)
{
    if (use == USE_LIVE) {
        error_set(err, EBUSY, "delete link %s of container %.64s, where process %d lives", link->name, id,
                  (int)pid);
        return error_advise(err, "do nothing if that is another container of this id, or one that shares its "
                                 "network: the link goes when the last process there ends");
    }
    error_set(err, EACCES, "delete link %s of container %.64s: see whether process %d lives there",
              link->name, id, (int)pid);
    return error_advise(err, "give the hook CAP_SYS_PTRACE; the link goes when its namespace does");
}

int member_detach(int hub, const char *id, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_close int own = namespace_open_own(err);
    char altname[LINK_ALTNAME_SIZE];
    enum use use = USE_UNKNOWN;
    struct link link;
    pid_t pid = 0;
    int result = own;

    if (result >= 0)
        result = netlink_open_in(hub, own, NETLINK_ROUTE, &netlink, err);
    if (result < 0)
        return result;
    member_altname(id, altname);
    result = link_find(netlink, altname, &link, err);
    if (result == -ENODEV)
        return 0;
    if (result == 0)
        result = look_for_life(netlink, &link, &use, &pid, err);
    if (result < 0)
        return result;
    if (result == 1)
        return 0; /* nobody can speak from there, and waiting for its end costs the engine 20 ms */
    if (use != USE_NONE)
        return refuse_detach(id, &link, use, pid, err);
    result = member_retire(netlink, &link, err);
    return result < 0 ? result : 1;
}

static int delete_retired(void *data, struct error *err)
{
    cleanup_netlink struct netlink *netlink = NULL;
    cleanup_close int own = namespace_open_own(err);
    int result = own;

    if (result >= 0)
        result = netlink_open_in(*(const int *)data, own, NETLINK_ROUTE, &netlink, err);
    return result < 0 ? result : link_delete_retired(netlink, err);
}

void member_tidy(int hub)
{
    child_leave(delete_retired, &hub);
}
