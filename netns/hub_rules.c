/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/hub_rules.h"

#include "base/cleanup.h"
#include "netns/flows.h"
#include "netns/hub.h"
#include "netns/nflog.h"
#include "netns/nft.h"
#include "netns/nft_compare.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>

#define POLICY_PREFIX "policy-"
#define FLOWS_PREFIX "flows-"
#define REFUSED "refused"       /* counter: of all packets */
#define REFUSED_OF "refused-of" /* set: of each member's */
#define LOGGED_OF "logged-of"   /* set: the limit of each member's */
#define TO_PROXY "to-proxy"     /* chains: what is asked of the proxy, and what it answers */
#define FROM_PROXY "from-proxy"
#define cleanup_present __attribute__((cleanup(present_free_at)))

enum {
    TRIES = 16,             /* of a transaction, when somebody else changes rules at the same time */
    LOGGED_PER_SECOND = 50, /* of one member: who floods hides his own lines, and nobody else's */
    LOGGED_IN_ALL = 500,    /* of all together: what they can have the host write, however many they are */
    COMPARED = 6,           /* flows to the proxy: of eight, the last takes as long as to be looked up */
};

_Static_assert(NFLOG_GROUPS == 4, "add_base_rules logs to four groups");

static void policy_name(const struct policy *policy, char name[NFT_NAME_SIZE])
{
    snprintf(name, NFT_NAME_SIZE, POLICY_PREFIX "%s", policy->digest);
}

/* The short way of those packets that are most: to the proxy and back. The proxy's own address is compared by
 * the rules that lead here. */
static void add_short_way(const struct nft_table *table, const struct policy *policy, const char *chain)
{
    const struct policy_range proxy = {policy->proxy_address, policy->proxy_address};
    cleanup_flows struct flows flows = {.list = NULL};

    flows_to_proxy(policy, &flows);
    if (flows.count > COMPARED)
        return;
    for (size_t i = 0; i < flows.count; i++) {
        const struct nft_flow *flow = &flows.list[i];

        nft_rule(table, TO_PROXY, nft_ipv4(), nft_saddr(flow->from), nft_tcp(), nft_dport(flow->port),
                 nft_accept());
        nft_rule(table, FROM_PROXY, nft_ipv4(), nft_daddr(flow->from), nft_tcp(), nft_sport(flow->port),
                 nft_answering(), nft_accept());
    }
    nft_rule(table, chain, nft_ipv4(), nft_daddr(proxy), nft_jump(TO_PROXY));
    nft_rule(table, chain, nft_ipv4(), nft_saddr(proxy), nft_jump(FROM_PROXY));
}

static void add_policy_rules(const struct nft_table *table, const struct policy *policy, const char *chain,
                             const char *set)
{
    add_short_way(table, policy, chain);
    nft_rule(table, chain, nft_flow(set), nft_accept());
    nft_rule(table, chain, nft_flow_reply(set), nft_answering(), nft_accept());
}

/* A reload cannot change the subnet, so the sets are the same and keep what they have. */
static void add_sources(const struct nft_table *table, const struct policy *policy)
{
    const uint32_t addresses = (uint32_t)1 << (32 - policy->prefix);

    nft_sources_add(table, REFUSED_OF, addresses);
    nft_sources_add(table, LOGGED_OF, addresses);
}

static void add_base_chains(const struct nft_table *table)
{
    nft_base_chain_add(table, "forward", NF_INET_FORWARD, NFT_PRIORITY_FILTER, NF_DROP);
    nft_base_chain_add(table, "input", NF_INET_LOCAL_IN, NFT_PRIORITY_FILTER, NF_DROP);
    nft_base_chain_add(table, "output", NF_INET_LOCAL_OUT, NFT_PRIORITY_FILTER, NF_DROP);
}

static void add_base_rules(const struct nft_table *table, const char *name)
{
    /* `lo` is where absent members are routed: nothing may go there, and TCP is told so at once. */
    nft_rule(table, "forward", nft_ipv4(), nft_unfragmented(), nft_not_oifname("lo"), nft_jump(name));
    nft_rule(table, "forward", nft_count(REFUSED));
    nft_rule(table, "forward", nft_count_source(REFUSED_OF));
    nft_rule(table, "forward", nft_limit_source(LOGGED_OF, LOGGED_PER_SECOND), nft_limit(LOGGED_IN_ALL),
             nft_log(NFLOG_GROUP_FIRST), nft_log(NFLOG_GROUP_FIRST + 1), nft_log(NFLOG_GROUP_FIRST + 2),
             nft_log(NFLOG_GROUP_FIRST + 3));
    nft_rule(table, "forward", nft_ipv4(), nft_tcp(), nft_reject_tcp());
    nft_rule(table, "output", nft_ipv4(), nft_tcp(), nft_tcp_reset(), nft_accept());
}

/* All of them, in each chain in the order in which the kernel lists them. `policy` NULL: without its own. */
static void add_rules(const struct nft_table *table, const struct policy *policy, const char *chain,
                      const char *set)
{
    add_base_chains(table);
    nft_chain_add(table, TO_PROXY);
    nft_chain_add(table, FROM_PROXY);
    nft_chain_add(table, chain);
    add_base_rules(table, chain);
    if (policy != NULL)
        add_policy_rules(table, policy, chain, set);
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

/* What the hub has before the rules are replaced. */
struct present {
    uint32_t generation;
    struct nft_names chains;
    struct nft_names sets;
};

static void present_free_at(struct present *present)
{
    nft_names_free_at(&present->chains);
    nft_names_free_at(&present->sets);
}

static int read_present(struct netlink *nf, struct present *present, struct error *err)
{
    int result = nft_generation(nf, &present->generation, err);

    if (result == 0)
        result = nft_list_chains(nf, HUB_TABLE, POLICY_PREFIX, &present->chains, err);
    if (result == 0)
        result = nft_list_sets(nf, HUB_TABLE, FLOWS_PREFIX, &present->sets, err);
    return result == -EINTR ? -ERESTART : result;
}

/* First transaction: the sets; the one of flows is new, and no rule uses it yet. */
static int add_flows(struct netlink *nf, const struct policy *policy, uint32_t generation, const char *set,
                     struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    cleanup_flows struct flows flows = {.list = NULL};
    struct nft_table table = {.batch = batch, .name = HUB_TABLE};

    flows_of_policy(policy, &flows);
    nft_begin(batch, generation);
    nft_table_add(&table);
    add_sources(&table, policy);
    nft_flows_add(&table, set, flows.list, flows.count);
    return nft_commit(nf, batch, err);
}

/* Second transaction: every rule, and the end of what was there before. */
static int switch_rules(struct netlink *nf, const struct policy *policy, const struct present *present,
                        const char *set, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nft_table table = {.batch = batch, .name = HUB_TABLE};
    char chain[NFT_NAME_SIZE];

    policy_name(policy, chain);
    nft_begin(batch, nft_generation_after(present->generation));
    nft_table_flush(&table);
    delete_old(&table, &present->chains, &present->sets);
    nft_counter_add(&table, REFUSED);
    add_rules(&table, policy, chain, set);
    return nft_commit(nf, batch, err);
}

/* After a failure between the transactions. Nothing depends on it: a set that stays is deleted next time. */
static void forget_flows(struct netlink *nf, const char *set)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nft_table table = {.batch = batch, .name = HUB_TABLE};
    struct error unimportant;

    nft_begin(batch, 0);
    nft_set_delete(&table, set);
    nft_commit(nf, batch, &unimportant);
}

/* One attempt: each transaction only applies while the hub is as it was read. The set is named after the
 * generation, so the name is new even where the policy is the same. Returns -ERESTART when somebody else
 * changed rules in between. */
static int install_once(struct netlink *nf, const struct policy *policy, struct error *err)
{
    cleanup_present struct present present = {.generation = 0};
    char set[NFT_NAME_SIZE];
    int result = read_present(nf, &present, err);

    if (result < 0)
        return result;
    snprintf(set, sizeof(set), FLOWS_PREFIX "%08x", present.generation);
    result = add_flows(nf, policy, present.generation, set, err);
    if (result < 0)
        return result;
    result = switch_rules(nf, policy, &present, set, err);
    if (result < 0)
        forget_flows(nf, set);
    return result;
}

/* The chain of the policy. Several, or none, are none of ours. */
static const char *present_chain(const struct present *present)
{
    return present->chains.count == 1 ? present->chains.names[0] : POLICY_PREFIX;
}

/* The transaction that would make what the hub has now, but for the set's elements: with the names that it
 * has. `policy` NULL: and but for the rules that say it. */
static void build_expected(struct netlink_batch *batch, const struct policy *policy,
                           const struct present *present)
{
    struct nft_table table = {.batch = batch, .name = HUB_TABLE};

    add_rules(&table, policy, present_chain(present),
              present->sets.count > 0 ? present->sets.names[0] : FLOWS_PREFIX);
}

/* Closes a hub whose table, or a chain in it, is not as it was made: that is nothing that new rules would
 * mend. What it has counted is gone. */
static int close_altered(struct netlink *nf, struct error *err)
{
    cleanup_batch struct netlink_batch *expected = netlink_batch_new();
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    cleanup_present struct present present = {.generation = 0};
    struct nft_table table = {.batch = batch, .name = HUB_TABLE};
    int result = read_present(nf, &present, err);

    if (result < 0)
        return result;
    build_expected(expected, NULL, &present);
    result = nft_compare_chains(nf, expected, HUB_TABLE, err);
    if (result == -EINTR)
        return -ERESTART;
    if (result != -EBADMSG)
        return result == -ENOENT ? 0 : result;
    nft_begin(batch, present.generation);
    nft_table_delete(&table);
    nft_table_add(&table);
    add_base_chains(&table);
    return nft_commit(nf, batch, err);
}

int hub_rules_install(struct netlink *nf, const struct policy *policy, struct error *err)
{
    int result = -ERESTART;

    for (unsigned i = 0; i < TRIES && result == -ERESTART; i++) {
        result = close_altered(nf, err);
        if (result == 0)
            result = install_once(nf, policy, err);
    }
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

/* The elements of the set that the rules ask, against the policy's. */
static int compare_flows(struct netlink *nf, const struct policy *policy, const char *set, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    cleanup_flows struct flows flows = {.list = NULL};
    struct nft_table table = {.batch = batch, .name = HUB_TABLE};

    flows_of_policy(policy, &flows);
    nft_flows_add(&table, set, flows.list, flows.count);
    return nft_compare_elements(nf, batch, HUB_TABLE, set, err);
}

static int compare_present(struct netlink *nf, const struct policy *policy, const struct present *present,
                           struct error *err)
{
    cleanup_batch struct netlink_batch *expected = netlink_batch_new();
    const char *const of_policy[] = {present_chain(present), TO_PROXY, FROM_PROXY, NULL};
    int result = 0;

    build_expected(expected, policy, present);
    result = nft_compare(nf, expected, HUB_TABLE, policy == NULL ? of_policy : NULL, err);
    if (result == 0 && present->sets.count == 0) {
        error_set(err, 0, "table " HUB_TABLE ": the set of flows is missing");
        return -EBADMSG;
    }
    if (result == 0 && policy != NULL)
        result = compare_flows(nf, policy, present->sets.names[0], err);
    return result;
}

/* The kernel has the number of a transaction before its rules, by a moment that lasts as long as that
 * processor is kept from running. Transactions take turns: when one that changes nothing has been, the rules
 * are there. */
static int wait_for_rules(struct netlink *nf, uint32_t generation, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nft_table table = {.batch = batch, .name = HUB_TABLE};

    nft_begin(batch, generation);
    /* The table is there. A transaction without a request is not answered before Linux 6.10. */
    nft_table_add(&table);
    return nft_commit(nf, batch, err);
}

/* What was found while somebody changed rules, as a reload does, is nothing: then again. */
int hub_rules_compare(struct netlink *nf, const struct policy *policy, struct error *err)
{
    uint32_t complete = 0; /* the rules of this generation are there */
    int result = -ERESTART;

    for (unsigned i = 0; i < TRIES && result == -ERESTART; i++) {
        cleanup_present struct present present = {.generation = 0};

        result = read_present(nf, &present, err);
        if (result == 0)
            result = compare_present(nf, policy, &present, err);
        if (result == -EINTR || !nft_generation_is(nf, present.generation)) {
            result = -ERESTART;
        } else if (result == -EBADMSG && complete != present.generation) {
            result = wait_for_rules(nf, present.generation, err);
            complete = result == 0 ? present.generation : 0;
            result = result == 0 ? -ERESTART : result;
        }
    }
    return result;
}

int hub_rules_refused(struct netlink *nf, uint64_t *ret_packets, uint64_t *ret_bytes, struct error *err)
{
    return nft_counter_read(nf, HUB_TABLE, REFUSED, ret_packets, ret_bytes, err);
}

int hub_rules_refused_of(struct netlink *nf, struct nft_counted **ret_counted, size_t *ret_count,
                         struct error *err)
{
    return nft_sources_read(nf, HUB_TABLE, REFUSED_OF, ret_counted, ret_count, err);
}

/* A look first: there is next to never something to forget, and a transaction that fails costs 13 ms. */
int hub_rules_forget(struct netlink *nf, uint32_t address, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nft_table table = {.batch = batch, .name = HUB_TABLE};
    bool exists = false;
    int result = nft_source_exists(nf, HUB_TABLE, REFUSED_OF, address, &exists, err);

    if (result < 0 || !exists)
        return result;
    nft_begin(batch, 0);
    nft_source_delete(&table, REFUSED_OF, address);
    result = nft_commit(nf, batch, err);
    return result == -ENOENT ? 0 : result;
}
