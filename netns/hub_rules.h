/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub's rules: the one place where the policy is enforced, a stateless default-deny filter in the hub's
 * own namespace.
 *
 * Theory of operation. The policy becomes one constant set of flows (source range . destination range .
 * port), whatever its size, and the chain policy-<digest> asks it twice: does the packet follow a flow, or is
 * it the exact mirror of one, and of a connection that is open (netns/nft.h, nft_answering). Both questions
 * go to the same set, so the reverse direction cannot be wider than the forward one. There is no connection
 * tracking to fill up or to fool, and a flow that is taken out of the policy is cut at once.
 *
 * The flows to the proxy, if they are few, are rules as well (to-proxy, from-proxy), which come before the
 * set and accept nothing that it does not. They take half of the time: a look-up in a set of ranges saves the
 * registers of the vector unit, and an answer needs two look-ups. A request to the proxy and its answer, 11 %
 * slower through the hub's rules than without any, are 6 % slower with them.
 *
 * Why they do not pass by the hub's stack, from link to link: a chain of the family netdev at the ingress of
 * each link that sends them on (`fwd`) would save 7 of the 16 % that a request takes longer than over a bare
 * veth, two look-ups of a route and a copy of the packet's head among them. But there no route can be asked:
 * a packet still has its sender's socket, and `fib` answers with the link it came by wherever that has the
 * number of the link by which the socket received last (Linux 6.18, nft_fib_can_skip). Without it each attach
 * would pay for rules of its own.
 *
 *     forward  whole packets go through the policy's chain; what it does not accept is counted as refused;
 *              TCP over IPv4 is answered with a reset, which carries the address that was asked for and so
 *              passes the sender's reverse path check; all else (UDP, ICMP, fragments, IPv6) is dropped.
 *              Behind that, and so never for a packet that passes, it is counted once more for its source,
 *              and logged: at most 50 packets a second of one source and 500 of all are handed to whoever
 *              reads (netns/nflog.h). Neither decides anything. There are no more sources than members,
 *              because a forged one never gets here. Both together cost 0.2 us a refused packet, whose
 *              way from the member and back as a reset takes 4.6 us, and nothing one that passes.
 *     input    nothing: nobody talks to the hub.
 *     output   the resets above, which pass this hook, and nothing else.
 *
 * No ICMP error is forwarded or made: the whole network has one MTU, so path MTU discovery has nothing to
 * say, and the hub has no address to send an error from (the kernel would take 192.0.0.8, which a member's
 * reverse path check drops). The source address of a packet is not checked here but by strict reverse path
 * filtering, which comes before the forward hook: so a reset never goes to a member that did not ask for it.
 */
#pragma once

#include "base/error.h"
#include "netns/netlink.h"
#include "netns/nft.h"
#include "policy/policy.h"

#include <stdint.h>

/* Puts the rules of `policy` in place of whatever rules the hub has (none in a new hub): every packet meets
 * either the old rules or the new ones, whole. The set of flows goes in ahead of the rules, in a transaction
 * of its own, because the kernel shows the elements of a set a moment later than the rules of the same
 * transaction, and in that moment live connections would be reset. The counts of refused packets go on.
 *
 * Where somebody put the table to sleep, or gave it other chains or other hooks, the hub is first closed and
 * the table made anew; that interrupts what passes, and the counts begin at nothing.
 *
 * On failure the old rules are in force, or the hub is closed.
 * `nf` is a NETLINK_NETFILTER socket in the hub. */
int hub_rules_install(struct netlink *nf, const struct policy *policy, struct error *err);

/* Checks that the hub runs the rules of `policy`. Returns -ENOENT if it runs others or none. */
int hub_rules_check(struct netlink *nf, const struct policy *policy, struct error *err);

/* Checks that the hub's table is as hub_rules_install makes it: awake, its chains, every rule, and the flows
 * of `policy`, which the hub runs; NULL where that is not known: then neither the flows nor the rules that
 * say the policy are looked at.
 *
 * Returns -ENOENT if the table is gone, -EBADMSG if it was changed: the error says what. */
int hub_rules_compare(struct netlink *nf, const struct policy *policy, struct error *err);

/* How many packets the hub has refused since it was made. */
int hub_rules_refused(struct netlink *nf, uint64_t *ret_packets, uint64_t *ret_bytes, struct error *err);

/* The same for each address that was refused something since it was last forgotten, by address;
 * *ret_counted is for the caller to free. Returns -ENOENT in a hub of an earlier release, until it is
 * reloaded. */
int hub_rules_refused_of(struct netlink *nf, struct nft_counted **ret_counted, size_t *ret_count,
                         struct error *err);

/* Has the address begin at nothing: it is given to a new member. */
int hub_rules_forget(struct netlink *nf, uint32_t address, struct error *err);
