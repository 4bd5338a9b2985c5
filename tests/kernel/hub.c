/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub in the real kernel: made once and whole, found again, reloaded, taken down without a trace. */
#include "netns/hub.h"

#include "base/cleanup.h"
#include "netns/member.h"
#include "tests/kernel/world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NETWORK "spthub"
#define PIN "/run/netns/sallyport-" NETWORK

static const char POLICY[] =
    "{\"version\": 1, \"subnet\": \"10.250.7.0/24\","
    "\"proxy\": {\"address\": \"10.250.7.2\", \"port\": 3128, \"at\": \"host\"},"
    "\"roles\": {\"agent\": {\"addresses\": \"10.250.7.64/26\", \"reach\": [\"proxy\"]}}}";

static struct policy policy;
static struct error err;

static void set_up(void)
{
    world_enter();
    world_policy(NETWORK, POLICY, &policy);
}

TestSuite(hub, .init = set_up, .timeout = 60);

/* What the host had before there was a network, and must have again. */
static void expect_clean_host(void)
{
    cr_expect(world_run(-1, "ip link show sp-" NETWORK) != 0);
    cr_expect_eq(world_lines(-1, "ip rule"), 3);
    cr_expect_eq(world_lines(-1, "ip route show table all | grep -v '^local\\|^broadcast\\|dev lo' || true"),
                 0);
    cr_expect_eq(world_lines(-1, "nft list ruleset"), 0);
    cr_expect(access(PIN, F_OK) != 0);
}

static int ensure(void)
{
    int hub = hub_ensure(&policy, world_host(), &err);

    cr_assert(hub >= 0, "%s", err.text);
    return hub;
}

static void remove_hub(void)
{
    cr_expect(hub_remove(NETWORK, world_host(), &err) == 0, "%s", err.text);
}

Test(hub, is_made_found_and_removed)
{
    cleanup_close int first = ensure();
    cleanup_close int second = ensure();
    struct stat a;
    struct stat b;

    cr_expect(fstat(first, &a) == 0 && fstat(second, &b) == 0 && a.st_ino == b.st_ino);
    cr_expect_eq(world_run(-1, "ip netns exec sallyport-" NETWORK " ip link show sp0afa0702"), 0);
    cr_expect_eq(world_run(-1, "ip -4 addr show sp-" NETWORK " | grep -q 10.250.7.2/32"), 0);
    remove_hub();
    expect_clean_host();
    remove_hub();
}
