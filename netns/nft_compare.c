/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/nft_compare.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

struct comparison {
    const struct netlink_batch *batch;
    const char *table;
    unsigned type;   /* NFT_MSG_NEW* of requests and answers */
    int table_name;  /* the attribute that names the table */
    size_t position; /* of the next request of that type in the batch */
    const char *difference;
};

static const struct nlattr *first_in(const struct nlattr *parent)
{
    return nla_data(parent);
}

static const struct nlattr *find(const struct nlattr *parent, int type)
{
    return nla_find(first_in(parent), nla_len(parent), type);
}

static bool attribute_equal(const struct nlattr *ours, const struct nlattr *theirs);

/* A rule is a list of expressions: they are compared one by one and counted. */
static bool expressions_equal(const struct nlattr *ours, const struct nlattr *theirs)
{
    const struct nlattr *our = first_in(ours);
    const struct nlattr *their = first_in(theirs);
    int our_rest = nla_len(ours);
    int their_rest = nla_len(theirs);

    for (; nla_ok(our, our_rest); our = nla_next(our, &our_rest), their = nla_next(their, &their_rest))
        if (!nla_ok(their, their_rest) || !attribute_equal(our, their))
            return false;
    return !nla_ok(their, their_rest);
}

/* Everything that is in ours is in theirs. */
static bool nest_contained(const struct nlattr *ours, const struct nlattr *theirs)
{
    const struct nlattr *our = NULL;
    int rest = 0;

    nla_for_each_nested(our, ours, rest)
    {
        const struct nlattr *their = find(theirs, nla_type(our));

        if (their == NULL || !attribute_equal(our, their))
            return false;
    }
    return true;
}

static bool attribute_equal(const struct nlattr *ours, const struct nlattr *theirs)
{
    if (!nla_is_nested(ours))
        return nla_len(ours) == nla_len(theirs) &&
               memcmp(nla_data(ours), nla_data(theirs), (size_t)nla_len(ours)) == 0;
    return nest_contained(ours, theirs);
}

static struct nlattr *message_attribute(const struct nlmsghdr *message, int type)
{
    return nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)message, sizeof(struct nfgenmsg), type);
}

static bool is_type(const struct nlmsghdr *message, unsigned type)
{
    return message->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | type);
}

static bool message_contained(const struct nlmsghdr *ours, const struct nlmsghdr *theirs)
{
    const struct nlattr *our = nlmsg_attrdata(ours, sizeof(struct nfgenmsg));
    int rest = nlmsg_attrlen(ours, sizeof(struct nfgenmsg));
    bool is_rule = is_type(ours, NFT_MSG_NEWRULE);

    for (; nla_ok(our, rest); our = nla_next(our, &rest)) {
        const struct nlattr *their = message_attribute(theirs, nla_type(our));

        if (their == NULL ||
            !(is_rule && nla_type(our) == NFTA_RULE_EXPRESSIONS ? expressions_equal(our, their)
                                                                : attribute_equal(our, their)))
            return false;
    }
    return true;
}

/* The next request of the type that is compared, NULL after the last. */
static const struct nlmsghdr *next_request(struct comparison *comparison)
{
    while (comparison->position < netlink_batch_count(comparison->batch)) {
        const struct nlmsghdr *ours = netlink_batch_message(comparison->batch, comparison->position++);

        if (is_type(ours, comparison->type))
            return ours;
    }
    return NULL;
}

static bool is_of_table(const struct comparison *comparison, const struct nlmsghdr *theirs)
{
    const struct nlattr *name = message_attribute(theirs, comparison->table_name);
    size_t size = strlen(comparison->table) + 1;

    return name != NULL && ((const struct nfgenmsg *)nlmsg_data(theirs))->nfgen_family == NFPROTO_INET &&
           (size_t)nla_len(name) == size && memcmp(nla_data(name), comparison->table, size) == 0;
}

static int compare_one(const struct nlmsghdr *theirs, void *data)
{
    struct comparison *comparison = data;
    const struct nlmsghdr *ours = NULL;

    if (!is_type(theirs, comparison->type) || !is_of_table(comparison, theirs))
        return 0;
    ours = next_request(comparison);
    if (ours == NULL)
        comparison->difference = "one was added";
    else if (!message_contained(ours, theirs))
        comparison->difference = "one was changed";
    return comparison->difference == NULL ? 0 : -EBADMSG;
}

/* Compares everything of one type. `get` is the request that lists it, `plural` stands in messages. */
static int compare_all(struct netlink *nf, struct comparison *comparison, unsigned get, const char *plural,
                       struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nfgenmsg header = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
    int result = 0;

    comparison->position = 0;
    netlink_batch_add(batch, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | get), NLM_F_DUMP, &header, sizeof(header),
                      "list nftables");
    result = netlink_query(nf, batch, compare_one, comparison, err);
    if (result == 0 && next_request(comparison) != NULL) {
        comparison->difference = "one is missing";
        result = -EBADMSG;
    }
    if (comparison->difference != NULL)
        error_set(err, 0, "%s of table %s: %s", plural, comparison->table, comparison->difference);
    return result;
}

static int check_awake(const struct nlmsghdr *theirs, void *data)
{
    const struct nlattr *flags = message_attribute(theirs, NFTA_TABLE_FLAGS);

    (void)data;
    return is_type(theirs, NFT_MSG_NEWTABLE) && flags != NULL && nla_len(flags) == sizeof(uint32_t) &&
                   nla_get_u32(flags) == 0
               ? 0
               : -EBADMSG;
}

/* A table can be put to sleep, with everything in it in place. */
static int compare_table(struct netlink *nf, const char *table, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nfgenmsg header = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
    struct nl_msg *message = netlink_batch_add(batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, 0,
                                               &header, sizeof(header), "look for nftables table");
    int result = 0;

    if (nla_put_string(message, NFTA_TABLE_NAME, table) < 0)
        return error_set(err, ENOMEM, "look for nftables table");
    result = netlink_query(nf, batch, check_awake, NULL, err);
    if (result == -EBADMSG)
        error_set(err, 0, "table %s was put to sleep", table);
    return result;
}

int nft_compare(struct netlink *nf, const struct netlink_batch *batch, const char *table, struct error *err)
{
    struct comparison chains = {
        .batch = batch, .table = table, .type = NFT_MSG_NEWCHAIN, .table_name = NFTA_CHAIN_TABLE};
    struct comparison rules = {
        .batch = batch, .table = table, .type = NFT_MSG_NEWRULE, .table_name = NFTA_RULE_TABLE};
    int result = compare_table(nf, table, err);

    if (result == 0)
        result = compare_all(nf, &chains, NFT_MSG_GETCHAIN, "chains", err);
    if (result == 0)
        result = compare_all(nf, &rules, NFT_MSG_GETRULE, "rules", err);
    return result;
}
