/* SPDX-License-Identifier: Apache-2.0
 *
 * What the witness in the hub sees of real packets, and what its filter leaves out: in a hub without any
 * rule, so that all of them pass. */
#include "netns/witness.h"
#include "base/cleanup.h"
#include "netns/namespace.h"
#include "topology.h"

#include <criterion/criterion.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

enum {
    LAST_PORT = 9999, /* of the packet behind which nothing comes */
    SEEN_MAX = 64,
    MANY = 40000, /* packets: more than the socket has room for */
};

/* What was seen, but for the bytes. */
static struct witness_packet seen[SEEN_MAX];
static size_t seen_count;
static bool seen_last;

static struct error err;
static struct witness_view view;
static int agent_link;
static int other_link;
static int hub;

static int in_hub(const char *link)
{
    topology_enter(HUB);
    return (int)if_nametoindex(link);
}

static void setup(void)
{
    topology_make();
    agent_link = in_hub("sp0ad10040");
    other_link = in_hub("sp0ad10041");
    cr_assert(agent_link > 0 && other_link > 0);
    hub = namespace_open_own(&err);
    cr_assert_geq(hub, 0);
    topology_enter(HOST);
    view =
        (struct witness_view){.subnet = {0x0ad10000, 0x0ad100ff}, .link = agent_link, .address = 0x0ad10040};
}

TestSuite(witness, .init = setup, .timeout = 300);

static int open_witness(void)
{
    cleanup_close int own = -1;
    int witness = -1;

    topology_enter(HOST);
    own = namespace_open_own(&err);
    witness = witness_open(hub, own, &view, &err);
    cr_assert_geq(witness, 0, "%s", err.text);
    return witness;
}

static void keep(const struct witness_packet *packet, void *data)
{
    (void)data;
    if (packet->ip.protocol == IPPROTO_UDP && packet->ip.destination_port == LAST_PORT && packet->leaving)
        seen_last = true;
    else if (seen_count < SEEN_MAX)
        seen[seen_count++] = *packet;
}

/* Everything up to a packet that is sent now, which comes in by the agent's link and goes out by the
 * gateway's. */
static void look(int witness)
{
    struct pollfd wait = {.fd = witness, .events = POLLIN};

    seen_count = 0;
    seen_last = false;
    cr_assert_eq(topology_send_udp(AGENT, GATEWAY_ADDRESS, LAST_PORT).error, 0);
    while (!seen_last && poll(&wait, 1, PATIENCE * 10) > 0)
        cr_assert_geq(witness_read(witness, keep, NULL, &err), 0, "%s", err.text);
    cr_assert(seen_last);
}

/* How many packets with this source port went that way, the agent's last one not counted. */
static size_t count(bool leaving, uint16_t source_port)
{
    size_t found = 0;

    for (size_t i = 0; i < seen_count; i++)
        if (seen[i].leaving == leaving && seen[i].ip.has_ports && seen[i].ip.source_port == source_port)
            found++;
    return found;
}

Test(witness, a_member_is_seen_coming_in_and_going_out)
{
    cleanup_close int witness = open_witness();

    topology_send_flags(AGENT, AGENT_ADDRESS, 1001, GATEWAY_ADDRESS, 22, TH_SYN);
    topology_send_flags(AGENT, AGENT_ADDRESS, 1002, GATEWAY_ADDRESS, 22, TH_ACK);
    look(witness);
    cr_assert_eq(count(false, 1001), 1);
    cr_assert_eq(count(true, 1001), 1);
    cr_assert_eq(count(false, 1002), 1);
    cr_assert_eq(count(true, 1002), 1);
    cr_assert_eq(seen[0].link, agent_link);
    cr_assert_eq(seen[0].ethertype, ETH_P_IP);
    cr_assert_eq(seen[0].tcp_flags, TH_SYN);
    cr_assert_not(seen[0].odd_frame);
    cr_assert_eq(seen[0].ip.source, view.address);
}

Test(witness, of_others_the_beginnings_and_ends_are_seen_going_out_and_the_middle_is_not)
{
    static const uint8_t FLAGS[] = {TH_SYN, TH_SYN | TH_ACK, TH_RST,          TH_FIN | TH_ACK,
                                    0,      TH_ACK,          TH_ACK | TH_PUSH};
    cleanup_close int witness = open_witness();

    for (size_t i = 0; i < array_size(FLAGS); i++)
        topology_send_flags(OTHER, OTHER_ADDRESS, (uint16_t)(2000 + i), GATEWAY_ADDRESS, 22, FLAGS[i]);
    look(witness);
    for (size_t i = 0; i < array_size(FLAGS); i++) {
        bool middle = (FLAGS[i] & (TH_SYN | TH_RST | TH_FIN | TH_ACK)) == TH_ACK;

        cr_assert_eq(count(true, (uint16_t)(2000 + i)), middle ? 0 : 1, "flags 0x%x", FLAGS[i]);
        cr_assert_eq(count(false, (uint16_t)(2000 + i)), 0, "flags 0x%x", FLAGS[i]);
    }
}

Test(witness, of_others_all_that_is_not_plain_tcp_is_seen_going_out)
{
    cleanup_close int witness = open_witness();
    size_t fragments = 0;
    size_t datagrams = 0;

    cr_assert_eq(topology_send_udp(OTHER, GATEWAY_ADDRESS, 53).error, 0);
    topology_send_syn(OTHER, OTHER_ADDRESS, GATEWAY_ADDRESS, 22, 0x2000);
    topology_send_syn(OTHER, OTHER_ADDRESS, GATEWAY_ADDRESS, 22, 0x0001);
    look(witness);
    for (size_t i = 0; i < seen_count; i++) {
        fragments += seen[i].leaving && seen[i].ip.fragment;
        datagrams += seen[i].leaving && seen[i].ip.protocol == IPPROTO_UDP;
    }
    cr_assert_eq(datagrams, 1);
    /* A hub gathers no fragments; a rule that did would let nothing out here. */
    cr_assert_eq(fragments, 2);
}

Test(witness, before_the_link_is_known_every_newer_one_is_looked_at_and_no_older_one)
{
    int witness = -1;

    view.link = 0;
    view.address = 0;
    view.newest = other_link < agent_link ? other_link : agent_link;
    cr_assert_neq(other_link, agent_link);
    witness = open_witness();
    topology_send_flags(AGENT, AGENT_ADDRESS, 1001, GATEWAY_ADDRESS, 22, TH_SYN);
    topology_send_flags(OTHER, OTHER_ADDRESS, 1002, GATEWAY_ADDRESS, 22, TH_SYN);
    look(witness);
    cr_assert_eq(count(false, 1001), agent_link > other_link ? 1 : 0);
    cr_assert_eq(count(false, 1002), other_link > agent_link ? 1 : 0);
    view.link = other_link;
    view.address = 0x0ad10041;
    cr_assert_eq(witness_look(witness, &view, &err), 0);
    topology_send_flags(OTHER, OTHER_ADDRESS, 1003, GATEWAY_ADDRESS, 22, TH_ACK);
    look(witness);
    cr_assert_eq(count(false, 1003), 1);
    cr_assert_eq(count(true, 1003), 1);
    close(witness);
}

Test(witness, what_is_lost_is_told)
{
    cleanup_close int witness = open_witness();
    unsigned lost = 1;

    cr_assert_eq(witness_lost(witness, &lost, &err), 0);
    cr_assert_eq(lost, 0);
    for (int i = 0; i < MANY; i++)
        topology_send_flags(AGENT, AGENT_ADDRESS, 1001, GATEWAY_ADDRESS, 22, TH_SYN);
    cr_assert_eq(witness_lost(witness, &lost, &err), 0);
    cr_assert_gt(lost, 0);
}
