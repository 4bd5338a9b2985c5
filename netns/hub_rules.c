/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/hub_rules.h"

#include "base/cleanup.h"
#include "netns/flows.h"
#include "netns/hub.h"
#include "netns/nft.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>

#define POLICY_PREFIX "policy-"
#define REFUSED "refused"

enum { TRIES = 16 }; /* of a transaction, when somebody else changes rules at the same time */

static void policy_name(const struct policy *policy, char name[NFT_NAME_SIZE])
{
    snprintf(name, NFT_NAME_SIZE, POLICY_PREFIX "%s", policy->digest);
}

static void add_policy_chain(const struct nft_table *table, const char *name, const struct policy *policy)
{
    cleanup_flows struct flows flows = {.list = NULL};

    flows_of_policy(policy, &flows);
    nft_flows_add(table, name, flows.list, flows.count);
    nft_chain_add(table, name);
    nft_rule(table, name, nft_flow(name), nft_accept());
    nft_rule(table, name, nft_flow_reply(name), nft_not_opening(), nft_accept());
}

static void add_base_chains(const struct nft_table *table)
{
    nft_base_chain_add(table, "forward", NF_INET_FORWARD, NFT_PRIORITY_FILTER, NF_DROP);
    nft_base_chain_add(table, "input", NF_INET_LOCAL_IN, NFT_PRIORITY_FILTER, NF_DROP);
    nft_base_chain_add(table, "output", NF_INET_LOCAL_OUT, NFT_PRIORITY_FILTER, NF_DROP);
}

static void add_base_rules(const struct nft_table *table, const char *name)
{
    nft_rule(table, "forward", nft_ipv4(), nft_unfragmented(), nft_jump(name));
    nft_rule(table, "forward", nft_count(REFUSED));
    nft_rule(table, "forward", nft_ipv4(), nft_tcp(), nft_reject_tcp());
    nft_rule(table, "output", nft_ipv4(), nft_tcp(), nft_tcp_reset(), nft_accept());
}

/* Deletes the chains and sets of earlier policies, the same policy included. Their rules are gone already. */
static void delete_old(const struct nft_table *table, const struct nft_names *chains,
                       const struct nft_names *sets)
{
    for (size_t i = 0; i < chains->count; i++)
        nft_chain_delete(table, chains->names[i]);
    for (size_t i = 0; i < sets->count; i++)
        nft_set_delete(table, sets->names[i]);
}

/* One attempt: the names of what is there are read first, and the transaction only applies while they are
 * right. Returns -ERESTART when they no longer were. */
static int install_once(struct netlink *nf, const struct policy *policy, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    cleanup_nft_names struct nft_names chains = {.names = NULL};
    cleanup_nft_names struct nft_names sets = {.names = NULL};
    struct nft_table table = {.batch = batch, .name = HUB_TABLE};
    char name[NFT_NAME_SIZE];
    uint32_t generation = 0;
    int result = nft_generation(nf, &generation, err);

    if (result == 0)
        result = nft_list_chains(nf, HUB_TABLE, POLICY_PREFIX, &chains, err);
    if (result == 0)
        result = nft_list_sets(nf, HUB_TABLE, POLICY_PREFIX, &sets, err);
    if (result < 0)
        return result == -EINTR ? -ERESTART : result;
    policy_name(policy, name);
    nft_begin(batch, generation);
    nft_table_add(&table);
    nft_table_flush(&table);
    delete_old(&table, &chains, &sets);
    nft_counter_add(&table, REFUSED);
    add_base_chains(&table);
    add_policy_chain(&table, name, policy);
    add_base_rules(&table, name);
    return nft_commit(nf, batch, err);
}

int hub_rules_install(struct netlink *nf, const struct policy *policy, struct error *err)
{
    int result = -ERESTART;

    for (unsigned i = 0; i < TRIES && result == -ERESTART; i++)
        result = install_once(nf, policy, err);
    if (result < 0)
        error_prefix(err, "install the hub's rules");
    return result;
}

int hub_rules_check(struct netlink *nf, const struct policy *policy, struct error *err)
{
    char name[NFT_NAME_SIZE];
    int result = 0;

    policy_name(policy, name);
    result = nft_chain_exists(nf, HUB_TABLE, name, err);
    if (result == -ENOENT) {
        error_set(err, ENOENT, "hub's rules are not those of the policy file: chain %s", name);
        error_advise(err, "run `sallyport network reload %s`", policy->network);
    }
    return result;
}

int hub_rules_refused(struct netlink *nf, uint64_t *ret_packets, uint64_t *ret_bytes, struct error *err)
{
    return nft_counter_read(nf, HUB_TABLE, REFUSED, ret_packets, ret_bytes, err);
}
