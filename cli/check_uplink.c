/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a member's connection get to the proxy, past whatever firewall the host has? Its rules are not read
 * and judged: a connection is made. Rules go by the link's name and addresses, so the trial has the real
 * ones:
 *
 *     the network is up   a throw-away member of the network, from a role with a pool, connects
 *     it is not           its uplink is made, as `network up` makes it, but into a namespace that has the
 *                         member's address itself and ends with the trial; a listener stands in for the proxy
 *
 * Invariant: nothing stays. The work is a child's that no signal but SIGKILL ends half way, and of what that
 * leaves the links go with the namespace, and the rest with the next `network up` or `down`. While there is
 * an uplink that belongs to no hub the lock of all hubs is held, so that nobody takes it for one. */
#include "base/cleanup.h"
#include "cli/check.h"
#include "cli/check_firewall.h"
#include "cli/connections.h"
#include "netns/child.h"
#include "netns/hub.h"
#include "netns/link.h"
#include "netns/member.h"
#include "netns/namespace.h"
#include "netns/netlink.h"
#include "netns/pin.h"
#include "netns/uplink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    CONNECT_MS = 1500, /* the second attempt is after a second */
    TRACED_MS = 300,   /* one is enough to see who drops it */
};

enum answer {
    ANSWER_ARRIVED,
    ANSWER_REFUSED, /* at once: by a firewall, or because nobody listens */
    ANSWER_NONE,    /* eaten, or refused in a way that the network does not carry */
};

struct trial {
    const struct policy *policy;
    const struct policy_role *role;
    uint16_t port; /* of the proxy's */
    char id[32];   /* of the throw-away member */
    long wait_ms;  /* for the connection */
};

/* From the namespace that the thread is in. Returns an enum answer. The connection ends with a reset: the
 * proxy's farewell would come when the member is gone, and stand in the log as refused. */
static int try_connect(const struct trial *trial, uint32_t from, struct error *err)
{
    const struct sockaddr_in source = check_address(from, 0);
    const struct sockaddr_in proxy = check_address(trial->policy->proxy_address, trial->port);
    const struct timeval limit = {.tv_sec = trial->wait_ms / 1000, .tv_usec = trial->wait_ms % 1000 * 1000};
    const struct linger reset = {.l_onoff = 1};
    cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0 ||
        bind(fd, (const void *)&source, sizeof(source)) < 0)
        return error_set(err, errno, "make a connection to try");
    if (connect(fd, (const void *)&proxy, sizeof(proxy)) == 0)
        return ANSWER_ARRIVED;
    return errno == ECONNREFUSED ? ANSWER_REFUSED : ANSWER_NONE;
}

/* In the host's namespace. Where a server listens at every address, that one is as good: *ret_fd stays. */
static int listen_as_proxy(const struct trial *trial, int *ret_fd, struct error *err)
{
    const struct sockaddr_in proxy = check_address(trial->policy->proxy_address, trial->port);
    cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, (const void *)&proxy, sizeof(proxy)) == 0 && listen(fd, 1) == 0)
        *ret_fd = take_fd(&fd);
    else if (fd < 0 || errno != EADDRINUSE)
        return error_set(err, errno, "listen at the proxy's address");
    return 0;
}

/* Gives the namespace that the thread is in the member's address. */
static int become_member(uint32_t address, struct error *err)
{
    cleanup_netlink struct netlink *route = NULL;
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    int result = netlink_open(NETLINK_ROUTE, &route, err);

    link_add_loopback_up(batch);
    link_add_address(batch, LINK_LOOPBACK, address, RT_SCOPE_UNIVERSE);
    return result < 0 ? result : netlink_send(route, batch, NULL, err);
}

static uint32_t first_address(const struct policy *policy, const struct policy_role *role)
{
    uint32_t address = role->addresses.first;

    while (address < role->addresses.last && !policy_role_may_have(policy, role, address))
        address++;
    return address;
}

static int try_through(const struct trial *trial, int host, int far, struct error *err)
{
    cleanup_close int listener = -1;
    uint32_t address = first_address(trial->policy, trial->role);
    int result = namespace_enter(host, err);

    if (result == 0)
        result = listen_as_proxy(trial, &listener, err);
    if (result == 0)
        result = namespace_enter(far, err);
    if (result == 0)
        result = become_member(address, err);
    return result < 0 ? result : try_connect(trial, address, err);
}

/* In the child, for a network that is not up. */
static int try_scratch(void *data, struct error *err)
{
    const struct trial *trial = data;
    cleanup_close int host = namespace_open_own(err);
    cleanup_close int far = -1;
    struct error undo = {0};
    int result = host;

    if (result >= 0 && unshare(CLONE_NEWNET) < 0)
        result = error_set(err, errno, "make a network namespace");
    if (result >= 0)
        result = far = namespace_open_own(err);
    if (result >= 0)
        result = uplink_ensure(trial->policy, far, host, err);
    if (result < 0)
        return result;
    result = try_through(trial, host, far, err);
    if (uplink_remove(trial->policy->network, host, &undo) < 0 && result >= 0) {
        *err = undo;
        return -EINVAL;
    }
    return result;
}

/* In the child, for a network that is up. */
static int try_member(void *data, struct error *err)
{
    const struct trial *trial = data;
    cleanup_close int host = namespace_open_own(err);
    cleanup_close int hub = host < 0 ? -1 : hub_open(trial->policy->network, err);
    cleanup_close int member = -1;
    struct member_request request = {
        .policy = trial->policy, .role = trial->role, .id = trial->id, .hub = hub, .host_netns = host};
    uint32_t address = 0;
    int result = hub;

    if (result >= 0 && unshare(CLONE_NEWNET) < 0)
        result = error_set(err, errno, "make a network namespace");
    if (result >= 0)
        result = request.netns = member = namespace_open_own(err);
    if (result >= 0)
        result = namespace_enter(host, err);
    if (result == 0)
        result = member_attach(&request, &address, err);
    if (result == 0)
        result = namespace_enter(member, err);
    return result < 0 ? result : try_connect(trial, address, err);
}

/* Runs in the child; no signal ends it half way. */
static int run_shielded(int (*work)(void *data, struct error *err), struct trial *trial, struct error *err)
{
    sigset_t all;
    sigset_t before;
    int result = 0;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    result = child_run(work, trial, err);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return result;
}

static int run_scratch(struct trial *trial, struct error *err)
{
    cleanup_close int lock = pin_lock(true, err);
    cleanup_close int hub = lock < 0 ? -1 : pin_open(trial->policy->network, err);

    if (lock < 0)
        return lock;
    if (hub >= 0) {
        error_set(err, EBUSY, "try the uplink: the network came up meanwhile");
        return error_advise(err, "run check again");
    }
    return run_shielded(try_scratch, trial, err);
}

static int run_member(struct trial *trial, struct error *err)
{
    struct error gone;
    int result = run_shielded(try_member, trial, err);
    cleanup_close int hub = hub_open(trial->policy->network, &gone);

    if (hub >= 0)
        member_detach(hub, trial->id, &gone);
    return result;
}

/* A role that reaches the proxy. In a network that is up only one with a pool: who has the one address of a
 * role may be starting just now. */
static const struct policy_role *choose_role(const struct check_network *network)
{
    const struct policy *policy = &network->policy;

    for (size_t i = 0; i < policy->roles_count; i++)
        if (policy->roles[i].reach_proxy &&
            (!network->up || policy->roles[i].addresses.first != policy->roles[i].addresses.last))
            return &policy->roles[i];
    return NULL;
}

/* Whether nobody listens yet: then a refusal says nothing. */
static bool nobody_listens(const struct trial *trial)
{
    struct error unseen;
    uint32_t listener = 0;

    return connections_listener(trial->policy->proxy_address, trial->port, &listener, &unseen) == 0 &&
           listener == 0;
}

static int run(const struct check_network *network, struct trial *trial, struct error *err)
{
    return network->up ? run_member(trial, err) : run_scratch(trial, err);
}

/* Once more, to see who it is. */
static void find_culprit(const struct check_network *network, struct trial *trial, struct error *err)
{
    cleanup_netlink struct netlink *tracer = NULL;
    struct error unseen = {0};
    struct nft_drop drop;
    char link[IFNAMSIZ];
    bool found = false;
    int result = 0;

    uplink_name(network->policy.network, link);
    trial->wait_ms = TRACED_MS;
    result = nft_trace_start(link, &tracer, &unseen);
    if (result == 0)
        result = run(network, trial, &unseen);
    if (result >= 0)
        result = nft_trace_read(tracer, &found, &drop, &unseen);
    if (result < 0)
        error_advise(err, "by whom cannot be seen (%s): look at `nft list ruleset`", unseen.text);
    else
        check_advise_firewall(&network->policy, trial->port, found ? &drop : NULL, err);
}

static void tell(struct checks *checks, const struct check_network *network, struct trial *trial,
                 const char *what, int answer)
{
    const struct policy *policy = &network->policy;
    struct error err = {0};
    char address[16];

    if (answer == ANSWER_ARRIVED) {
        check_add(checks, CHECK_OK, what, "");
        return;
    }
    if (network->up && answer == ANSWER_REFUSED && nobody_listens(trial)) {
        check_add(checks, CHECK_NOTE, what,
                  trial->port == policy->proxy_port
                      ? "refused at once, as where nobody listens: start squid and check again"
                      : "refused at once, as where nobody listens: start haproxy and check again");
        return;
    }
    error_set(&err, 0, "a connection to %s:%u %s", policy_format_address(policy->proxy_address, address),
              trial->port, answer == ANSWER_REFUSED ? "is refused by this host" : "does not get through");
    find_culprit(network, trial, &err);
    check_add(checks, CHECK_FAILED, what, err.text);
}

static void try_port(struct checks *checks, const struct check_network *network,
                     const struct policy_role *role, uint16_t port)
{
    const struct policy *policy = &network->policy;
    struct trial trial = {.policy = policy, .role = role, .port = port, .wait_ms = CONNECT_MS};
    struct error err = {0};
    char what[64];
    int result = 0;

    if (port == policy->proxy_port)
        snprintf(what, sizeof(what), "members of %s to the proxy", policy->network);
    else
        snprintf(what, sizeof(what), "members of %s to the pass-through, port %u", policy->network, port);
    if (role == NULL) {
        check_add(checks, CHECK_NOTE, what,
                  "no role to try it with; `sallyport verify` does it in a container");
        return;
    }
    snprintf(trial.id, sizeof(trial.id), "sallyport-check-%d", getpid());
    result = run(network, &trial, &err);
    if (result < 0)
        check_add(checks, CHECK_FAILED, what, err.text);
    else
        tell(checks, network, &trial, what, result);
}

void check_uplink(struct checks *checks, const struct check_network *network)
{
    uint16_t ports[POLICY_PROXY_PORTS_MAX];
    size_t count = policy_proxy_ports(&network->policy, ports);

    if (network->policy.proxy_at != POLICY_PROXY_AT_HOST)
        return;
    for (size_t i = 0; i < count; i++)
        try_port(checks, network, choose_role(network), ports[i]);
}
