/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/uplink_rules.h"

#include "netns/flows.h"
#include "netns/nft.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <stdio.h>

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

static void add_flows(const struct nft_table *table, const struct policy *policy)
{
    cleanup_flows struct flows requests = {.list = NULL};
    cleanup_flows struct flows published = {.list = NULL};

    if (policy->proxy_at == POLICY_PROXY_AT_HOST)
        flows_to_proxy(policy, &requests);
    flows_published(policy, &published);
    nft_flows_add(table, "requests", requests.list, requests.count);
    nft_flows_add(table, "published", published.list, published.count);
}

static void add_uplink_chains(const struct nft_table *table)
{
    nft_chain_add(table, "from-uplink");
    nft_rule(table, "from-uplink", nft_flow("requests"), nft_accept());
    nft_rule(table, "from-uplink", nft_flow_reply("published"), nft_not_opening(), nft_accept());
    nft_rule(table, "from-uplink", nft_drop());

    nft_chain_add(table, "to-uplink");
    nft_rule(table, "to-uplink", nft_flow_reply("requests"), nft_not_opening(), nft_accept());
    nft_rule(table, "to-uplink", nft_flow("published"), nft_accept());
    nft_rule(table, "to-uplink", nft_ipv4(), nft_tcp(), nft_reject_tcp());
    nft_rule(table, "to-uplink", nft_drop());
}

static void add_prerouting(const struct nft_table *table, const struct policy *policy, const char *uplink)
{
    nft_base_chain_add(table, "prerouting", NF_INET_PRE_ROUTING, NFT_PRIORITY_RAW, NF_ACCEPT);
    nft_rule(table, "prerouting", nft_iifname(uplink), nft_jump("from-uplink"));
    nft_rule(table, "prerouting", nft_not_iif_loopback(), nft_ipv4(),
             nft_daddr(policy->subnet, policy->prefix), nft_drop());
    nft_rule(table, "prerouting", nft_not_iif_loopback(), nft_ipv4(),
             nft_saddr(policy->subnet, policy->prefix), nft_drop());
}

static void add_other_chains(const struct nft_table *table, const char *uplink)
{
    nft_base_chain_add(table, "input", NF_INET_LOCAL_IN, NFT_PRIORITY_FILTER, NF_ACCEPT);
    nft_rule(table, "input", nft_iifname(uplink), nft_jump("from-uplink"));

    nft_base_chain_add(table, "output", NF_INET_LOCAL_OUT, NFT_PRIORITY_FILTER, NF_ACCEPT);
    nft_rule(table, "output", nft_oifname(uplink), nft_jump("to-uplink"));

    nft_base_chain_add(table, "forward", NF_INET_FORWARD, NFT_PRIORITY_FILTER, NF_ACCEPT);
    nft_rule(table, "forward", nft_iifname(uplink), nft_drop());
    nft_rule(table, "forward", nft_oifname(uplink), nft_drop());
}

int uplink_rules_install(struct netlink *nf, const struct policy *policy, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct uplink_names names = names_of(policy->network);
    struct nft_table table = {.batch = batch, .name = names.table};
    int result = 0;

    nft_begin(batch, 0);
    nft_table_add(&table);
    nft_table_delete(&table);
    nft_table_add(&table);
    add_flows(&table, policy);
    add_uplink_chains(&table);
    add_prerouting(&table, policy, names.link);
    add_other_chains(&table, names.link);
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
