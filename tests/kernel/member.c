/* SPDX-License-Identifier: Apache-2.0
 *
 * Members in the real kernel: attached whole or not at all, each with an address of its own, held to it by
 * the hub's reverse path check. */
#include "netns/member.h"

#include "base/cleanup.h"
#include "netns/hub.h"
#include "tests/kernel/world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define NETWORK "sptmember"
#define HUB "ip netns exec sallyport-" NETWORK " "

static const char POLICY[] =
    "{\"version\": 1, \"subnet\": \"10.250.8.0/22\","
    "\"proxy\": {\"address\": \"10.250.8.2\", \"port\": 3128, \"at\": \"host\"},"
    "\"roles\": {"
    "\"agent\": {\"addresses\": \"10.250.9.0/24\", \"reach\": [\"proxy\", \"gateway:8642\"]},"
    "\"crowd\": {\"addresses\": \"10.250.10.0/23\", \"reach\": [\"proxy\"]},"
    "\"pair\": {\"addresses\": \"10.250.8.64/31\", \"reach\": [\"proxy\"]},"
    "\"keeper\": {\"addresses\": \"10.250.8.5\", \"reach\": [\"proxy\"], \"links\": \"keep\"},"
    "\"dashboard\": {\"addresses\": \"10.250.8.4\", \"reach\": []},"
    "\"gateway\": {\"addresses\": \"10.250.8.3\", \"reach\": [\"proxy\", \"dashboard:9119\"]}}}";

static struct policy policy;
static struct error err;
static int hub = -1;

static void set_up(void)
{
    world_enter();
    world_policy(NETWORK, POLICY, &policy);
    hub = hub_ensure(&policy, world_host(), &err);
    cr_assert(hub >= 0, "%s", err.text);
}

static void tear_down(void)
{
    cr_expect(hub_remove(NETWORK, world_host(), &err) == 0, "%s", err.text);
}

TestSuite(member, .init = set_up, .fini = tear_down, .timeout = 120);

static struct member_request make_request(int netns, const char *role, const char *id)
{
    const struct policy_role *found = policy_role_find(&policy, role);

    cr_assert(found != NULL);
    return (struct member_request){
        .policy = &policy, .role = found, .id = id, .hub = hub, .netns = netns, .host_netns = world_host()};
}

static int try_attach(int netns, const char *role, const char *id, uint32_t *ret_address)
{
    struct member_request request = make_request(netns, role, id);

    return member_attach(&request, ret_address, &err);
}

static uint32_t attach(int netns, const char *role, const char *id)
{
    uint32_t address = 0;

    cr_assert(try_attach(netns, role, id, &address) == 0, "%s", err.text);
    return address;
}

Test(member, reaches_the_proxy_and_no_other_port)
{
    cleanup_close int netns = world_namespace();
    pid_t proxy = world_serve(-1, "10.250.8.2", 3128);
    pid_t other = world_serve(-1, "10.250.8.2", 22);
    struct member_request request;

    attach(netns, "agent", "one");
    request = make_request(netns, "agent", "one");
    cr_expect_eq(world_connect(netns, "10.250.8.2", 3128), 0);
    cr_expect_eq(world_connect(netns, "10.250.8.2", 22), ECONNREFUSED);
    cr_expect(member_verify(&request, &err) == 0, "%s", err.text);
    world_stop(proxy);
    world_stop(other);
}
