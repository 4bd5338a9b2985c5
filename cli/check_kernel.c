/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel has to be able to do, tried and not guessed from its configuration: each trial is a child
 * with network namespaces of its own, which end with it, and runs the code that a container's start runs. */
#include "cli/check.h"

#include "base/cleanup.h"
#include "netns/child.h"
#include "netns/guard.h"
#include "netns/hub_rules.h"
#include "netns/link.h"
#include "netns/namespace.h"
#include "netns/netlink.h"
#include "netns/nflog.h"
#include "policy/policy.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <unistd.h>

/* A refusal for want of permission says nothing about the kernel. */
static int advise(int result, const char *needs, struct error *err)
{
    if (result == -EPERM)
        return error_advise(err, "run it with all capabilities, as containers are started");
    return result < 0 ? error_advise(err, "the kernel needs %s", needs) : 0;
}

static int new_namespace(struct error *err)
{
    return unshare(CLONE_NEWNET) < 0 ? error_set(err, errno, "make a network namespace") : 0;
}

static int try_namespace(void *data, struct error *err)
{
    (void)data;
    return advise(new_namespace(err), "network namespaces (CONFIG_NET_NS)", err);
}

/* Containers and some sandboxes have a /proc/sys that is read only. */
static int try_settings(void *data, struct error *err)
{
    int result = new_namespace(err);

    (void)data;
    if (result < 0)
        return advise(result, "network namespaces (CONFIG_NET_NS)", err);
    result = namespace_sysctl("net/ipv4/ip_forward", "1", err);
    return result < 0 ? error_advise(err, "/proc/sys must be writable: `mount -o remount,bind,rw /proc/sys`")
                      : 0;
}

static int try_link(void *data, struct error *err)
{
    cleanup_netlink struct netlink *route = NULL;
    cleanup_close int far = -1;
    int result = new_namespace(err);

    (void)data;
    if (result < 0)
        return result;
    far = namespace_open_own(err);
    if (far < 0)
        return far;
    result = new_namespace(err);
    if (result == 0)
        result = netlink_open(NETLINK_ROUTE, &route, err);
    if (result == 0)
        result = link_create(route, 0x0ad00800, "sp0", far, err);
    return advise(result, "the module veth (CONFIG_VETH)", err);
}

static int try_rules(void *data, struct error *err)
{
    cleanup_netlink struct netlink *nf = NULL;
    struct policy policy;
    int result = new_namespace(err);

    (void)data;
    if (result < 0)
        return result;
    policy_default(&policy);
    result = netlink_open(NETLINK_NETFILTER, &nf, err);
    if (result == 0)
        result = guard_install(nf, &(struct guard){.subnet = policy_subnet(&policy)}, err);
    if (result == 0)
        result = hub_rules_install(nf, &policy, err);
    policy_free(&policy);
    return advise(result, "nf_tables with inet, reject and log (CONFIG_NF_TABLES_INET, CONFIG_NFT_REJECT)",
                  err);
}

static int try_log(void *data, struct error *err)
{
    cleanup_netlink struct netlink *nf = NULL;
    int result = new_namespace(err);

    (void)data;
    if (result == 0)
        result = netlink_open(NETLINK_NETFILTER, &nf, err);
    if (result == 0)
        result = nflog_bind(nf, err);
    if (result == -EBUSY) /* nobody reads in a new namespace: a capability is missing (netns/nflog.h) */
        result = error_set(err, EPERM, "become a reader of a log");
    return advise(result, "the module nfnetlink_log (CONFIG_NETFILTER_NETLINK_LOG): `modprobe nfnetlink_log`",
                  err);
}

void check_kernel(struct checks *checks)
{
    static const struct {
        const char *what;
        int (*try)(void *data, struct error *err);
        enum check_level level;
    } trials[] = {
        {"network namespaces", try_namespace, CHECK_FAILED},
        {"settings in them", try_settings, CHECK_FAILED},
        {"links between them", try_link, CHECK_FAILED},
        {"the rules of hub and guard", try_rules, CHECK_FAILED},
        {"seccomp filters", check_seccomp, CHECK_FAILED},
        {"descriptors of other processes", check_getfd, CHECK_FAILED},
        {"injection by hooks alone", check_trace, CHECK_WARNING},
        {"the log of refused packets", try_log, CHECK_WARNING},
    };

    for (size_t i = 0; i < array_size(trials); i++) {
        struct error err = {0};
        int result = child_run(trials[i].try, NULL, &err);

        check_add_result(checks, trials[i].level, trials[i].what, result, &err);
    }
}
