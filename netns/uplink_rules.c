/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/uplink_rules.h"

#include "netns/flows.h"
#include "netns/nft.h"
#include "netns/nft_compare.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <stdio.h>

enum { TRIES = 16 }; /* of a look, when somebody else changes rules at the same time */

struct uplink_names {
    char table[NFT_NAME_SIZE];
    char link[IFNAMSIZ];
};

static struct uplink_names names_of(const char *network)
{
    struct uplink_names names;

    snprintf(names.table, sizeof(names.table), "sallyport-%.12s", network);
    snprintf(names.link, sizeof(names.link), "sp-%.12s", network);
    return names;
}

/* The packets of one flow, in the chain of its direction, and the exact mirror in the other one's. */
static void add_flow(const struct nft_table *table, const struct nft_flow *flow, const char *there,
                     const char *back)
{
    nft_rule(table, there, nft_ipv4(), nft_tcp(), nft_saddr(flow->from), nft_daddr(flow->to),
             nft_dport(flow->port), nft_accept());
    nft_rule(table, back, nft_ipv4(), nft_tcp(), nft_saddr(flow->to), nft_daddr(flow->from),
             nft_sport(flow->port), nft_answering(), nft_accept());
}

/* Rules, not sets: there are few of them, and the elements of a set come a moment late (netns/nft.h). */
static void add_flows(const struct nft_table *table, const struct policy *policy)
{
    cleanup_flows struct flows requests = {.list = NULL};
    cleanup_flows struct flows published = {.list = NULL};

    if (policy->proxy_at == POLICY_PROXY_AT_HOST)
        flows_to_proxy(policy, &requests);
    flows_published(policy, &published);
    for (size_t i = 0; i < requests.count; i++)
        add_flow(table, &requests.list[i], "from-uplink", "to-uplink");
    for (size_t i = 0; i < published.count; i++)
        add_flow(table, &published.list[i], "to-uplink", "from-uplink");
}

static void add_uplink_chains(const struct nft_table *table, const struct policy *policy)
{
    nft_chain_add(table, "from-uplink");
    nft_chain_add(table, "to-uplink");
    add_flows(table, policy);
    nft_rule(table, "from-uplink", nft_drop());
    nft_rule(table, "to-uplink", nft_ipv4(), nft_tcp(), nft_reject_tcp());
    nft_rule(table, "to-uplink", nft_drop());
}

static void add_prerouting(const struct nft_table *table, const struct policy *policy, const char *uplink)
{
    struct policy_range subnet = policy_subnet(policy);

    nft_base_chain_add(table, "prerouting", NF_INET_PRE_ROUTING, NFT_PRIORITY_RAW, NF_ACCEPT);
    nft_rule(table, "prerouting", nft_iifname(uplink), nft_jump("from-uplink"));
    nft_rule(table, "prerouting", nft_not_iif_loopback(), nft_ipv4(), nft_daddr(subnet), nft_drop());
    nft_rule(table, "prerouting", nft_not_iif_loopback(), nft_ipv4(), nft_saddr(subnet), nft_drop());
}

static void add_other_chains(const struct nft_table *table, const struct policy *policy, const char *uplink)
{
    nft_base_chain_add(table, "input", NF_INET_LOCAL_IN, NFT_PRIORITY_FILTER, NF_ACCEPT);
    nft_rule(table, "input", nft_iifname(uplink), nft_jump("from-uplink"));
    nft_rule(table, "input", nft_not_iif_loopback(), nft_ipv4(), nft_daddr(policy_subnet(policy)),
             nft_drop());

    nft_base_chain_add(table, "output", NF_INET_LOCAL_OUT, NFT_PRIORITY_FILTER, NF_ACCEPT);
    nft_rule(table, "output", nft_oifname(uplink), nft_jump("to-uplink"));

    nft_base_chain_add(table, "forward", NF_INET_FORWARD, NFT_PRIORITY_FILTER, NF_ACCEPT);
    nft_rule(table, "forward", nft_iifname(uplink), nft_drop());
    nft_rule(table, "forward", nft_oifname(uplink), nft_drop());
}

static void add_chains(const struct nft_table *table, const struct policy *policy, const char *uplink)
{
    add_uplink_chains(table, policy);
    add_prerouting(table, policy, uplink);
    add_other_chains(table, policy, uplink);
}

static int compare_once(struct netlink *nf, const struct policy *policy, bool in_force, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct uplink_names names = names_of(policy->network);
    struct nft_table table = {.batch = batch, .name = names.table};

    add_chains(&table, policy, names.link);
    return in_force ? nft_compare(nf, batch, names.table, NULL, err)
                    : nft_compare_chains(nf, batch, names.table, err);
}

/* What was found while somebody changed rules, as engines and firewalls do, is nothing: then again. As in
 * hub_rules_compare. */
int uplink_rules_compare(struct netlink *nf, const struct policy *policy, bool in_force, struct error *err)
{
    uint32_t differed = 0;
    int result = -EINTR;

    for (unsigned i = 0; i < TRIES && result == -EINTR; i++) {
        uint32_t generation = 0;

        result = nft_generation(nf, &generation, err);
        if (result == 0)
            result = compare_once(nf, policy, in_force, err);
        if (!nft_generation_is(nf, generation) || (result == -EBADMSG && differed != generation))
            result = -EINTR;
        differed = generation;
    }
    return result;
}

/* The chains stay and their rules are replaced. A new chain in place of an old one would be another hook:
 * while both are there, a packet could meet the new one before the transaction and the old one after it,
 * empty both. So that is only done where the chains are not ours any more. */
int uplink_rules_install(struct netlink *nf, const struct policy *policy, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct uplink_names names = names_of(policy->network);
    struct nft_table table = {.batch = batch, .name = names.table};
    struct error difference;
    int result = 0;

    nft_begin(batch, 0);
    nft_table_add(&table);
    if (uplink_rules_compare(nf, policy, false, &difference) == -EBADMSG) {
        nft_table_delete(&table);
        nft_table_add(&table);
    }
    nft_table_flush(&table);
    add_chains(&table, policy, names.link);
    result = nft_commit(nf, batch, err);
    if (result < 0)
        error_prefix(err, "install the uplink's rules");
    return result;
}

int uplink_rules_remove(struct netlink *nf, const char *network, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct uplink_names names = names_of(network);
    struct nft_table table = {.batch = batch, .name = names.table};
    int result = 0;

    nft_begin(batch, 0);
    nft_table_add(&table); /* so that there is something to delete */
    nft_table_delete(&table);
    result = nft_commit(nf, batch, err);
    if (result < 0)
        error_prefix(err, "remove the uplink's rules");
    return result;
}
