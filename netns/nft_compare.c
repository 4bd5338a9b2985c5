/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/nft_compare.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Chains, or rules: of both kinds those of the same chain are compared in their order. */
struct comparison {
    const struct netlink_batch *batch;
    const char *table;
    const char *what; /* "chain ", "a rule of chain ": before its name in messages */
    unsigned get;     /* NFT_MSG_GET*: the request that lists them */
    unsigned type;    /* NFT_MSG_NEW* of requests and answers */
    int table_name;   /* the attributes that name table and chain */
    int chain_name;
    const char *const *unknown; /* chains that are passed over; NULL: none */
    bool *met;                  /* of each request in the batch: it has been compared */
    char difference[128];
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

/* The attribute as text, "" if there is none. */
static const char *text_of(const struct nlmsghdr *message, int type)
{
    const struct nlattr *found = message_attribute(message, type);
    size_t length = found == NULL ? 0 : (size_t)nla_len(found);

    return length > 0 && memchr(nla_data(found), '\0', length) != NULL ? nla_data(found) : "";
}

static bool is_of_table(const struct nlmsghdr *theirs, int table_name, const char *table)
{
    return strcmp(text_of(theirs, table_name), table) == 0 && /* so there is a header to look at */
           ((const struct nfgenmsg *)nlmsg_data(theirs))->nfgen_family == NFPROTO_INET;
}

/* The first request that has not been met yet, of this chain or (NULL) of any. */
static const struct nlmsghdr *next_request(struct comparison *comparison, const char *chain)
{
    for (size_t i = 0; i < netlink_batch_count(comparison->batch); i++) {
        const struct nlmsghdr *ours = netlink_batch_message(comparison->batch, i);

        if (comparison->met[i] || !is_type(ours, comparison->type) ||
            (chain != NULL && strcmp(text_of(ours, comparison->chain_name), chain) != 0))
            continue;
        comparison->met[i] = true;
        return ours;
    }
    return NULL;
}

static int differ(struct comparison *comparison, const char *chain, const char *how)
{
    snprintf(comparison->difference, sizeof(comparison->difference), "%s%.64s %s", comparison->what, chain,
             how);
    return -EBADMSG;
}

static bool is_unknown(const struct comparison *comparison, const char *chain)
{
    for (const char *const *name = comparison->unknown; name != NULL && *name != NULL; name++)
        if (strcmp(*name, chain) == 0)
            return true;
    return false;
}

static int compare_one(const struct nlmsghdr *theirs, void *data)
{
    struct comparison *comparison = data;
    const char *chain = text_of(theirs, comparison->chain_name);
    const struct nlmsghdr *ours = NULL;

    if (!is_type(theirs, comparison->type) ||
        !is_of_table(theirs, comparison->table_name, comparison->table) || is_unknown(comparison, chain))
        return 0;
    ours = next_request(comparison, chain);
    if (ours == NULL)
        return differ(comparison, chain, "was added");
    return message_contained(ours, theirs) ? 0 : differ(comparison, chain, "was changed");
}

/* Asks for a list of things of the family. */
static struct nl_msg *list_request(struct netlink_batch *batch, unsigned get)
{
    const struct nfgenmsg header = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};

    return netlink_batch_add(batch, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | get), NLM_F_DUMP, &header,
                             sizeof(header), "list nftables");
}

static int compare_all(struct netlink *nf, struct comparison *comparison, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    const struct nlmsghdr *missing = NULL;
    int result = 0;

    comparison->met = calloc(netlink_batch_count(comparison->batch) + 1, sizeof(*comparison->met));
    if (comparison->met == NULL)
        return error_set(err, ENOMEM, "list nftables");
    list_request(batch, comparison->get);
    result = netlink_query(nf, batch, compare_one, comparison, err);
    if (result == 0)
        missing = next_request(comparison, NULL);
    if (missing != NULL)
        result = differ(comparison, text_of(missing, comparison->chain_name), "is missing");
    if (result == -EBADMSG && comparison->difference[0] != '\0')
        error_set(err, 0, "table %s: %s", comparison->table, comparison->difference);
    free(comparison->met);
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

int nft_compare_chains(struct netlink *nf, const struct netlink_batch *batch, const char *table,
                       struct error *err)
{
    struct comparison chains = {.batch = batch,
                                .table = table,
                                .what = "chain ",
                                .get = NFT_MSG_GETCHAIN,
                                .type = NFT_MSG_NEWCHAIN,
                                .table_name = NFTA_CHAIN_TABLE,
                                .chain_name = NFTA_CHAIN_NAME};
    int result = compare_table(nf, table, err);

    return result < 0 ? result : compare_all(nf, &chains, err);
}

int nft_compare(struct netlink *nf, const struct netlink_batch *batch, const char *table,
                const char *const unknown[], struct error *err)
{
    struct comparison rules = {.batch = batch,
                               .table = table,
                               .what = "a rule of chain ",
                               .get = NFT_MSG_GETRULE,
                               .type = NFT_MSG_NEWRULE,
                               .table_name = NFTA_RULE_TABLE,
                               .chain_name = NFTA_RULE_CHAIN,
                               .unknown = unknown};
    int result = nft_compare_chains(nf, batch, table, err);

    return result < 0 ? result : compare_all(nf, &rules, err);
}

/* ---- elements ---- */

enum { KEY_MAX = 16 }; /* bytes; a flow's has twelve */

struct element { /* compared as bytes: what is not used is 0 */
    uint8_t first[KEY_MAX];
    uint8_t last[KEY_MAX];
};

struct elements {
    const char *table;
    const char *set;
    struct element *list;
    size_t count;
};

/* A key that is too long is none of ours, and neither is what it becomes. */
static void read_key(const struct nlattr *element, int type, uint8_t ret_key[KEY_MAX])
{
    const struct nlattr *key = find(element, type);
    const struct nlattr *value = key == NULL ? NULL : find(key, NFTA_DATA_VALUE);

    if (value != NULL && nla_len(value) <= KEY_MAX)
        memcpy(ret_key, nla_data(value), (size_t)nla_len(value));
}

/* Room for one more, or NULL. */
static struct element *add_element(struct elements *elements)
{
    struct element *grown = reallocarray(elements->list, elements->count + 1, sizeof(*grown));

    if (grown == NULL)
        return NULL;
    elements->list = grown;
    grown[elements->count] = (struct element){.first = {0}};
    return &grown[elements->count++];
}

static int collect_elements(const struct nlmsghdr *message, void *data)
{
    struct elements *elements = data;
    const struct nlattr *list = message_attribute(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    const struct nlattr *element = NULL;
    int rest = 0;

    if (!is_type(message, NFT_MSG_NEWSETELEM) || list == NULL ||
        !is_of_table(message, NFTA_SET_ELEM_LIST_TABLE, elements->table) ||
        strcmp(text_of(message, NFTA_SET_ELEM_LIST_SET), elements->set) != 0)
        return 0;
    nla_for_each_nested(element, list, rest)
    {
        struct element *added = add_element(elements);

        if (added == NULL)
            return -ENOMEM;
        read_key(element, NFTA_SET_ELEM_KEY, added->first);
        read_key(element, NFTA_SET_ELEM_KEY_END, added->last);
    }
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct element));
}

/* In order, and each once: two equal ones in a batch are one to the kernel. */
static void normalise(struct elements *elements)
{
    size_t kept = 0;

    if (elements->count == 0)
        return;
    qsort(elements->list, elements->count, sizeof(*elements->list), by_bytes);
    for (size_t i = 1; i < elements->count; i++)
        if (by_bytes(&elements->list[kept], &elements->list[i]) != 0)
            elements->list[++kept] = elements->list[i];
    elements->count = kept + 1;
}

static int read_elements(struct netlink *nf, struct elements *elements, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nl_msg *message = list_request(batch, NFT_MSG_GETSETELEM);
    int result = 0;

    if (nla_put_string(message, NFTA_SET_ELEM_LIST_TABLE, elements->table) < 0 ||
        nla_put_string(message, NFTA_SET_ELEM_LIST_SET, elements->set) < 0)
        return error_set(err, ENOMEM, "list nftables");
    result = netlink_query(nf, batch, collect_elements, elements, err);
    return result == -ENOMEM ? error_set(err, ENOMEM, "list nftables") : result;
}

int nft_compare_elements(struct netlink *nf, const struct netlink_batch *batch, const char *table,
                         const char *set, struct error *err)
{
    struct elements ours = {.table = table, .set = set};
    struct elements theirs = ours;
    int result = 0;

    for (size_t i = 0; i < netlink_batch_count(batch) && result == 0; i++)
        result = collect_elements(netlink_batch_message(batch, i), &ours);
    if (result < 0)
        error_set(err, ENOMEM, "list nftables");
    else
        result = read_elements(nf, &theirs, err);
    normalise(&ours);
    normalise(&theirs);
    if (result == 0 &&
        (ours.count != theirs.count ||
         (ours.count > 0 && memcmp(ours.list, theirs.list, ours.count * sizeof(*ours.list)) != 0))) {
        error_set(err, 0, "table %s: set %s has other elements", table, set);
        result = -EBADMSG;
    }
    free(ours.list);
    free(theirs.list);
    return result;
}
