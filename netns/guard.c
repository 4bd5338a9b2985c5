/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/guard.h"

#include "netns/member.h"
#include "netns/nft.h"
#include "netns/nft_compare.h"

#include <errno.h>
#include <linux/netfilter.h>

#define GUARD_TABLE "sallyport"

static const struct policy_range engine_resolver = {0x7f00000b, 0x7f00000b}; /* 127.0.0.11 */

/* What returns from here is refused by the chain that jumped here. */
static void add_loopback(const struct nft_table *table)
{
    nft_chain_add(table, "loopback");
    nft_rule(table, "loopback", nft_tcp(), nft_tcp_reset(), nft_accept());
    nft_rule(table, "loopback", nft_ipv4(), nft_daddr(engine_resolver), nft_return());
    nft_rule(table, "loopback", nft_accept());
}

static void add_output(const struct nft_table *table, const struct guard *guard)
{
    nft_base_chain_add(table, "output", NF_INET_LOCAL_OUT, NFT_PRIORITY_FILTER, NF_DROP);
    if (guard->only_sp0)
        nft_rule(table, "output", nft_not_oifname(MEMBER_LINK), nft_accept());
    else
        nft_rule(table, "output", nft_oif_loopback(), nft_jump("loopback"));
    nft_rule(table, "output", nft_oifname(MEMBER_LINK), nft_ipv4(), nft_daddr(guard->subnet), nft_tcp(),
             nft_accept());
    nft_rule(table, "output", nft_tcp(), nft_reject_tcp());
    nft_rule(table, "output", nft_reject_admin());
}

static void add_input(const struct nft_table *table, const struct guard *guard)
{
    nft_base_chain_add(table, "input", NF_INET_LOCAL_IN, NFT_PRIORITY_FILTER, NF_DROP);
    if (guard->only_sp0) {
        /* Linux takes a packet for sp0's address from any link: a neighbour on the engine's network would
         * speak to the proxy, with a member's address if it likes. */
        nft_rule(table, "input", nft_not_iifname(MEMBER_LINK), nft_not_iif_loopback(), nft_ipv4(),
                 nft_daddr(guard->subnet), nft_drop());
        nft_rule(table, "input", nft_not_iifname(MEMBER_LINK), nft_accept());
    } else
        nft_rule(table, "input", nft_iif_loopback(), nft_jump("loopback"));
    nft_rule(table, "input", nft_iifname(MEMBER_LINK), nft_ipv4(), nft_saddr(guard->subnet), nft_tcp(),
             nft_accept());
}

static void add_forward(const struct nft_table *table, const struct guard *guard)
{
    nft_base_chain_add(table, "forward", NF_INET_FORWARD, NFT_PRIORITY_FILTER, NF_DROP);
    if (guard->only_sp0)
        nft_rule(table, "forward", nft_not_iifname(MEMBER_LINK), nft_not_oifname(MEMBER_LINK), nft_accept());
}

static void add_chains(const struct nft_table *table, const struct guard *guard)
{
    if (!guard->only_sp0)
        add_loopback(table);
    add_output(table, guard);
    add_input(table, guard);
    add_forward(table, guard);
}

/* The transaction for a namespace without a guard. */
static void build_new(struct netlink_batch *batch, const struct guard *guard)
{
    struct nft_table table = {.batch = batch, .name = GUARD_TABLE};

    nft_begin(batch, 0);
    nft_table_add_new(&table);
    add_chains(&table, guard);
}

static int replace(struct netlink *nf, const struct guard *guard, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nft_table table = {.batch = batch, .name = GUARD_TABLE};

    nft_begin(batch, 0);
    nft_table_add(&table);
    nft_table_delete(&table);
    nft_table_add(&table);
    add_chains(&table, guard);
    return nft_commit(nf, batch, err);
}

/* Two ways because this is on the path of every start: a deletion makes the transaction half as slow again,
 * and there is next to never something to delete (then the refusal of the first way costs 13 ms). */
int guard_install(struct netlink *nf, const struct guard *guard, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    int result = 0;

    build_new(batch, guard);
    result = nft_commit(nf, batch, err);
    if (result == -EEXIST)
        result = replace(nf, guard, err);
    if (result < 0)
        error_prefix(err, "install the guard");
    return result;
}

int guard_check(struct netlink *nf, const struct guard *guard, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    int result = 0;

    build_new(batch, guard);
    result = nft_compare(nf, batch, GUARD_TABLE, NULL, err);
    if (result < 0)
        error_prefix(err, "check the guard");
    return result;
}
