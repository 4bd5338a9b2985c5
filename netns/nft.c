/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/nft.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOPBACK_INDEX = 1, /* lo has this index in every namespace, whatever its name */
    FLOW_KEY_SIZE = 12, /* saddr, daddr, port: each padded to 4 bytes */
    FLOWS_PER_MESSAGE = 64,
    SET_ID = 1, /* the kernel asks for one; sets are found by name */

    /* Data types by nft's own numbers, which it stores in the set to read it back: 6 bits each. */
    NFT_TYPE_IPV4 = 7,
    NFT_TYPE_SERVICE = 13,
    NFT_TYPE_FLOW = NFT_TYPE_IPV4 << 12 | NFT_TYPE_IPV4 << 6 | NFT_TYPE_SERVICE,
};

/* Offsets in headers. */
enum {
    IP_FRAGMENT = 6,
    IP_SOURCE = 12,
    IP_DESTINATION = 16,
    TCP_SOURCE = 0,
    TCP_DESTINATION = 2,
    TCP_FLAGS = 13,
};

/* ---- attributes ---- */

static void put_bytes(struct nl_msg *message, int type, const void *bytes, size_t size)
{
    if (nla_put(message, type, (int)size, bytes) < 0)
        abort(); /* a request larger than its buffer: a bug here, never input */
}

static void put_text(struct nl_msg *message, int type, const char *text)
{
    put_bytes(message, type, text, strlen(text) + 1);
}

/* nf_tables takes its numbers in network byte order. */
static void put_number(struct nl_msg *message, int type, uint32_t number)
{
    uint32_t big = htonl(number);

    put_bytes(message, type, &big, sizeof(big));
}

static struct nlattr *nest(struct nl_msg *message, int type)
{
    struct nlattr *opened = nla_nest_start(message, type);

    if (opened == NULL)
        abort();
    return opened;
}

static void put_data(struct nl_msg *message, int type, const void *bytes, size_t size)
{
    struct nlattr *data = nest(message, type);

    put_bytes(message, NFTA_DATA_VALUE, bytes, size);
    nla_nest_end(message, data);
}

/* ---- requests ---- */

static struct nl_msg *request(struct netlink_batch *batch, unsigned type, unsigned flags, const char *what)
{
    struct nfgenmsg header = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};

    return netlink_batch_add(batch, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), (uint16_t)flags, &header,
                             sizeof(header), what);
}

static struct nl_msg *bracket(struct netlink_batch *batch, unsigned type)
{
    struct nfgenmsg header = {.version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};

    return netlink_batch_add(batch, (uint16_t)type, 0, &header, sizeof(header),
                             "commit nftables transaction");
}

void nft_begin(struct netlink_batch *batch, uint32_t generation)
{
    struct nl_msg *message = bracket(batch, NFNL_MSG_BATCH_BEGIN);

    if (generation != 0)
        put_number(message, NFNL_BATCH_GENID, generation);
}

/* What the rules need of the kernel, to an error that is already set. */
static int advise_modules(struct error *err)
{
    return error_advise(err,
                        "does the kernel have nf_tables, nft_reject, nft_reject_inet, nft_limit, nft_log "
                        "and nfnetlink_log?");
}

int nft_commit(struct netlink *nf, struct netlink_batch *batch, struct error *err)
{
    int result = 0;

    netlink_batch_message(batch, netlink_batch_count(batch) - 1)->nlmsg_flags |= NLM_F_ACK;
    bracket(batch, NFNL_MSG_BATCH_END);
    result = netlink_send(nf, batch, NULL, err);
    if (result == -EOPNOTSUPP || result == -ENOENT)
        advise_modules(err);
    return result;
}

static void table_request(const struct nft_table *table, unsigned flags)
{
    struct nl_msg *message = request(table->batch, NFT_MSG_NEWTABLE, flags, "add nftables table");

    put_text(message, NFTA_TABLE_NAME, table->name);
}

void nft_table_add(const struct nft_table *table)
{
    table_request(table, NLM_F_CREATE);
}

void nft_table_add_new(const struct nft_table *table)
{
    table_request(table, NLM_F_CREATE | NLM_F_EXCL);
}

void nft_table_add_owned(const struct nft_table *table)
{
    struct nl_msg *message = request(table->batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL,
                                     "add nftables table of this process");

    put_text(message, NFTA_TABLE_NAME, table->name);
    put_number(message, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
}

void nft_table_delete(const struct nft_table *table)
{
    struct nl_msg *message = request(table->batch, NFT_MSG_DELTABLE, 0, "delete nftables table");

    put_text(message, NFTA_TABLE_NAME, table->name);
}

void nft_table_flush(const struct nft_table *table)
{
    struct nl_msg *message = request(table->batch, NFT_MSG_DELRULE, 0, "flush nftables table");

    put_text(message, NFTA_RULE_TABLE, table->name);
}

static struct nl_msg *chain_request(const struct nft_table *table, const char *chain)
{
    struct nl_msg *message = request(table->batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, "add nftables chain");

    put_text(message, NFTA_CHAIN_TABLE, table->name);
    put_text(message, NFTA_CHAIN_NAME, chain);
    return message;
}

void nft_chain_add(const struct nft_table *table, const char *chain)
{
    chain_request(table, chain);
}

void nft_base_chain_add(const struct nft_table *table, const char *chain, unsigned hook, int priority,
                        uint32_t policy)
{
    struct nl_msg *message = chain_request(table, chain);
    struct nlattr *hook_nest = nest(message, NFTA_CHAIN_HOOK);

    put_number(message, NFTA_HOOK_HOOKNUM, hook);
    put_number(message, NFTA_HOOK_PRIORITY, (uint32_t)priority);
    nla_nest_end(message, hook_nest);
    put_number(message, NFTA_CHAIN_POLICY, policy);
    put_text(message, NFTA_CHAIN_TYPE, "filter");
}

void nft_chain_delete(const struct nft_table *table, const char *chain)
{
    struct nl_msg *message = request(table->batch, NFT_MSG_DELCHAIN, 0, "delete nftables chain");

    put_text(message, NFTA_CHAIN_TABLE, table->name);
    put_text(message, NFTA_CHAIN_NAME, chain);
}

void nft_counter_add(const struct nft_table *table, const char *counter)
{
    struct nl_msg *message = request(table->batch, NFT_MSG_NEWOBJ, NLM_F_CREATE, "add nftables counter");
    struct nlattr *data = NULL;
    uint64_t zero = 0;

    put_text(message, NFTA_OBJ_TABLE, table->name);
    put_text(message, NFTA_OBJ_NAME, counter);
    put_number(message, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
    data = nest(message, NFTA_OBJ_DATA);
    put_bytes(message, NFTA_COUNTER_BYTES, &zero, sizeof(zero));
    put_bytes(message, NFTA_COUNTER_PACKETS, &zero, sizeof(zero));
    nla_nest_end(message, data);
}

/* ---- sets of flows ---- */

static void put_field(struct nl_msg *message, uint32_t size)
{
    struct nlattr *field = nest(message, NFTA_LIST_ELEM);

    put_number(message, NFTA_SET_FIELD_LEN, size);
    nla_nest_end(message, field);
}

static void flows_set(const struct nft_table *table, const char *set)
{
    struct nl_msg *message = request(table->batch, NFT_MSG_NEWSET, NLM_F_CREATE, "add nftables set");
    struct nlattr *description = NULL;
    struct nlattr *fields = NULL;

    put_text(message, NFTA_SET_TABLE, table->name);
    put_text(message, NFTA_SET_NAME, set);
    put_number(message, NFTA_SET_FLAGS, NFT_SET_INTERVAL | NFT_SET_CONCAT | NFT_SET_CONSTANT);
    put_number(message, NFTA_SET_KEY_TYPE, NFT_TYPE_FLOW);
    put_number(message, NFTA_SET_KEY_LEN, FLOW_KEY_SIZE);
    put_number(message, NFTA_SET_ID, SET_ID);
    description = nest(message, NFTA_SET_DESC);
    fields = nest(message, NFTA_SET_DESC_CONCAT);
    put_field(message, sizeof(uint32_t));
    put_field(message, sizeof(uint32_t));
    put_field(message, sizeof(uint16_t));
    nla_nest_end(message, fields);
    nla_nest_end(message, description);
}

static void put_flow_key(struct nl_msg *message, int type, uint32_t from, uint32_t to, uint16_t port)
{
    uint32_t key[3] = {htonl(from), htonl(to), 0};
    uint16_t big_port = htons(port);

    memcpy(&key[2], &big_port, sizeof(big_port));
    put_data(message, type, key, sizeof(key));
}

static void put_flow(struct nl_msg *message, const struct nft_flow *flow)
{
    struct nlattr *element = nest(message, NFTA_LIST_ELEM);

    put_flow_key(message, NFTA_SET_ELEM_KEY, flow->from.first, flow->to.first, flow->port);
    put_flow_key(message, NFTA_SET_ELEM_KEY_END, flow->from.last, flow->to.last, flow->port);
    nla_nest_end(message, element);
}

void nft_flows_add(const struct nft_table *table, const char *set, const struct nft_flow *flows, size_t count)
{
    flows_set(table, set);
    for (size_t done = 0; done < count;) {
        struct nl_msg *message =
            request(table->batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, "add elements to nftables set");
        struct nlattr *elements = NULL;

        put_text(message, NFTA_SET_ELEM_LIST_TABLE, table->name);
        put_text(message, NFTA_SET_ELEM_LIST_SET, set);
        elements = nest(message, NFTA_SET_ELEM_LIST_ELEMENTS);
        for (size_t end = done + FLOWS_PER_MESSAGE; done < count && done < end; done++)
            put_flow(message, &flows[done]);
        nla_nest_end(message, elements);
    }
}

void nft_set_delete(const struct nft_table *table, const char *set)
{
    struct nl_msg *message = request(table->batch, NFT_MSG_DELSET, 0, "delete nftables set");

    put_text(message, NFTA_SET_TABLE, table->name);
    put_text(message, NFTA_SET_NAME, set);
}

/* ---- sets of sources ---- */

void nft_sources_add(const struct nft_table *table, const char *set, uint32_t size)
{
    struct nl_msg *message = request(table->batch, NFT_MSG_NEWSET, NLM_F_CREATE, "add nftables set");
    struct nlattr *description = NULL;

    put_text(message, NFTA_SET_TABLE, table->name);
    put_text(message, NFTA_SET_NAME, set);
    put_number(message, NFTA_SET_FLAGS, NFT_SET_EVAL);
    put_number(message, NFTA_SET_KEY_TYPE, NFT_TYPE_IPV4);
    put_number(message, NFTA_SET_KEY_LEN, sizeof(uint32_t));
    put_number(message, NFTA_SET_ID, SET_ID);
    description = nest(message, NFTA_SET_DESC);
    put_number(message, NFTA_SET_DESC_SIZE, size);
    nla_nest_end(message, description);
}

/* The list of one element. */
static void put_source(struct nl_msg *message, const char *table, const char *set, uint32_t address)
{
    uint32_t key = htonl(address);
    struct nlattr *elements = NULL;
    struct nlattr *element = NULL;

    put_text(message, NFTA_SET_ELEM_LIST_TABLE, table);
    put_text(message, NFTA_SET_ELEM_LIST_SET, set);
    elements = nest(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    element = nest(message, NFTA_LIST_ELEM);
    put_data(message, NFTA_SET_ELEM_KEY, &key, sizeof(key));
    nla_nest_end(message, element);
    nla_nest_end(message, elements);
}

void nft_source_delete(const struct nft_table *table, const char *set, uint32_t address)
{
    struct nl_msg *message = request(table->batch, NFT_MSG_DELSETELEM, 0, "delete element of nftables set");

    put_source(message, table->name, set, address);
}

/* ---- expressions: what the kernel's virtual machine runs ---- */

struct expression {
    struct nlattr *element;
    struct nlattr *data;
};

static struct expression expression_open(struct nl_msg *message, const char *name)
{
    struct expression opened = {.element = nest(message, NFTA_LIST_ELEM)};

    put_text(message, NFTA_EXPR_NAME, name);
    opened.data = nest(message, NFTA_EXPR_DATA);
    return opened;
}

static void expression_close(struct nl_msg *message, const struct expression *opened)
{
    nla_nest_end(message, opened->data);
    nla_nest_end(message, opened->element);
}

static void load_meta(struct nl_msg *message, uint32_t key)
{
    struct expression meta = expression_open(message, "meta");

    put_number(message, NFTA_META_DREG, NFT_REG_1);
    put_number(message, NFTA_META_KEY, key);
    expression_close(message, &meta);
}

static void load_payload(struct nl_msg *message, uint32_t base, uint32_t offset, uint32_t size, uint32_t into)
{
    struct expression payload = expression_open(message, "payload");

    put_number(message, NFTA_PAYLOAD_DREG, into);
    put_number(message, NFTA_PAYLOAD_BASE, base);
    put_number(message, NFTA_PAYLOAD_OFFSET, offset);
    put_number(message, NFTA_PAYLOAD_LEN, size);
    expression_close(message, &payload);
}

static void mask_bits(struct nl_msg *message, const void *mask, size_t size)
{
    static const uint8_t zero[4];
    struct expression bitwise = expression_open(message, "bitwise");

    put_number(message, NFTA_BITWISE_SREG, NFT_REG_1);
    put_number(message, NFTA_BITWISE_DREG, NFT_REG_1);
    put_number(message, NFTA_BITWISE_LEN, (uint32_t)size);
    put_data(message, NFTA_BITWISE_MASK, mask, size);
    put_data(message, NFTA_BITWISE_XOR, zero, size);
    expression_close(message, &bitwise);
}

static void compare(struct nl_msg *message, uint32_t operation, const void *bytes, size_t size)
{
    struct expression cmp = expression_open(message, "cmp");

    put_number(message, NFTA_CMP_SREG, NFT_REG_1);
    put_number(message, NFTA_CMP_OP, operation);
    put_data(message, NFTA_CMP_DATA, bytes, size);
    expression_close(message, &cmp);
}

static void compare_range(struct nl_msg *message, const void *first, const void *last, size_t size)
{
    struct expression range = expression_open(message, "range");

    put_number(message, NFTA_RANGE_SREG, NFT_REG_1);
    put_number(message, NFTA_RANGE_OP, NFT_RANGE_EQ);
    put_data(message, NFTA_RANGE_FROM_DATA, first, size);
    put_data(message, NFTA_RANGE_TO_DATA, last, size);
    expression_close(message, &range);
}

static void compare_byte(struct nl_msg *message, uint32_t operation, uint8_t byte)
{
    compare(message, operation, &byte, sizeof(byte));
}

static void look_up(struct nl_msg *message, const char *set)
{
    struct expression lookup = expression_open(message, "lookup");

    put_text(message, NFTA_LOOKUP_SET, set);
    put_number(message, NFTA_LOOKUP_SREG, NFT_REG_1);
    expression_close(message, &lookup);
}

/* ---- steps ---- */

static uint32_t operation_of(const struct nft_step *step)
{
    return step->negated ? NFT_CMP_NEQ : NFT_CMP_EQ;
}

/* other: the meta key; number: an interface index in the byte order of the machine. */
static void put_index(struct nl_msg *message, const struct nft_step *step)
{
    load_meta(message, step->other);
    compare(message, operation_of(step), &step->number, sizeof(step->number));
}

struct nft_step nft_iif_loopback(void)
{
    return (struct nft_step){.put = put_index, .other = NFT_META_IIF, .number = LOOPBACK_INDEX};
}

struct nft_step nft_oif_loopback(void)
{
    return (struct nft_step){.put = put_index, .other = NFT_META_OIF, .number = LOOPBACK_INDEX};
}

struct nft_step nft_not_iif_loopback(void)
{
    return (struct nft_step){
        .put = put_index, .other = NFT_META_IIF, .number = LOOPBACK_INDEX, .negated = true};
}

/* other: the meta key. The name is compared whole, padding included: no prefix matches. */
static void put_name(struct nl_msg *message, const struct nft_step *step)
{
    char name[IFNAMSIZ] = "";

    if (strlen(step->text) >= sizeof(name))
        abort();
    memcpy(name, step->text, strlen(step->text));
    load_meta(message, step->other);
    compare(message, operation_of(step), name, sizeof(name));
}

struct nft_step nft_iifname(const char *name)
{
    return (struct nft_step){.put = put_name, .other = NFT_META_IIFNAME, .text = name};
}

struct nft_step nft_oifname(const char *name)
{
    return (struct nft_step){.put = put_name, .other = NFT_META_OIFNAME, .text = name};
}

struct nft_step nft_not_iifname(const char *name)
{
    return (struct nft_step){.put = put_name, .other = NFT_META_IIFNAME, .text = name, .negated = true};
}

struct nft_step nft_not_oifname(const char *name)
{
    return (struct nft_step){.put = put_name, .other = NFT_META_OIFNAME, .text = name, .negated = true};
}

/* other: the meta key, of one byte. */
static void put_protocol(struct nl_msg *message, const struct nft_step *step)
{
    load_meta(message, step->other);
    compare_byte(message, NFT_CMP_EQ, (uint8_t)step->number);
}

struct nft_step nft_ipv4(void)
{
    return (struct nft_step){.put = put_protocol, .other = NFT_META_NFPROTO, .number = NFPROTO_IPV4};
}

struct nft_step nft_tcp(void)
{
    return (struct nft_step){.put = put_protocol, .other = NFT_META_L4PROTO, .number = IPPROTO_TCP};
}

/* number and other: the first and the last address. */
static void put_address(struct nl_msg *message, const struct nft_step *step, uint32_t offset)
{
    load_payload(message, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof(step->number), NFT_REG_1);
    if (step->number == step->other)
        compare(message, NFT_CMP_EQ, &step->number, sizeof(step->number));
    else
        compare_range(message, &step->number, &step->other, sizeof(step->number));
}

static void put_saddr(struct nl_msg *message, const struct nft_step *step)
{
    put_address(message, step, IP_SOURCE);
}

static void put_daddr(struct nl_msg *message, const struct nft_step *step)
{
    put_address(message, step, IP_DESTINATION);
}

struct nft_step nft_saddr(struct policy_range addresses)
{
    return (struct nft_step){
        .put = put_saddr, .number = htonl(addresses.first), .other = htonl(addresses.last)};
}

struct nft_step nft_daddr(struct policy_range addresses)
{
    return (struct nft_step){
        .put = put_daddr, .number = htonl(addresses.first), .other = htonl(addresses.last)};
}

/* other: the offset in the header. */
static void put_port(struct nl_msg *message, const struct nft_step *step)
{
    uint16_t port = (uint16_t)step->number;

    load_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, step->other, sizeof(port), NFT_REG_1);
    compare(message, NFT_CMP_EQ, &port, sizeof(port));
}

struct nft_step nft_sport(uint16_t port)
{
    return (struct nft_step){.put = put_port, .other = TCP_SOURCE, .number = htons(port)};
}

struct nft_step nft_dport(uint16_t port)
{
    return (struct nft_step){.put = put_port, .other = TCP_DESTINATION, .number = htons(port)};
}

static void put_unfragmented(struct nl_msg *message, const struct nft_step *step)
{
    uint16_t mask = htons(IP_MF | IP_OFFMASK);
    uint16_t none = 0;

    (void)step;
    load_payload(message, NFT_PAYLOAD_NETWORK_HEADER, IP_FRAGMENT, sizeof(mask), NFT_REG_1);
    mask_bits(message, &mask, sizeof(mask));
    compare(message, NFT_CMP_EQ, &none, sizeof(none));
}

struct nft_step nft_unfragmented(void)
{
    return (struct nft_step){.put = put_unfragmented};
}

/* The three parts of a flow's key lie in consecutive registers of 4 bytes, the first of which is NFT_REG_1.
 */
static void put_flow_lookup(struct nl_msg *message, const char *set, uint32_t from, uint32_t to,
                            uint32_t port)
{
    struct nft_step ipv4 = nft_ipv4();
    struct nft_step tcp = nft_tcp();

    put_protocol(message, &ipv4);
    put_protocol(message, &tcp);
    load_payload(message, NFT_PAYLOAD_NETWORK_HEADER, from, sizeof(uint32_t), NFT_REG_1);
    load_payload(message, NFT_PAYLOAD_NETWORK_HEADER, to, sizeof(uint32_t), NFT_REG32_01);
    load_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, port, sizeof(uint16_t), NFT_REG32_02);
    look_up(message, set);
}

static void put_flow_match(struct nl_msg *message, const struct nft_step *step)
{
    put_flow_lookup(message, step->text, IP_SOURCE, IP_DESTINATION, TCP_DESTINATION);
}

static void put_flow_reply_match(struct nl_msg *message, const struct nft_step *step)
{
    put_flow_lookup(message, step->text, IP_DESTINATION, IP_SOURCE, TCP_SOURCE);
}

struct nft_step nft_flow(const char *set)
{
    return (struct nft_step){.put = put_flow_match, .text = set};
}

struct nft_step nft_flow_reply(const char *set)
{
    return (struct nft_step){.put = put_flow_reply_match, .text = set};
}

/* other: the mask. */
static void put_flags(struct nl_msg *message, const struct nft_step *step)
{
    uint8_t mask = (uint8_t)step->other;

    load_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS, sizeof(mask), NFT_REG_1);
    mask_bits(message, &mask, sizeof(mask));
    compare_byte(message, operation_of(step), (uint8_t)step->number);
}

static void put_answering(struct nl_msg *message, const struct nft_step *step)
{
    static const struct nft_step not_opening = {.other = TH_SYN | TH_ACK, .number = TH_SYN, .negated = true};
    static const struct nft_step not_alone = {.other = TH_ACK | TH_RST, .number = 0, .negated = true};

    (void)step;
    put_flags(message, &not_opening);
    put_flags(message, &not_alone);
}

struct nft_step nft_answering(void)
{
    return (struct nft_step){.put = put_answering};
}

struct nft_step nft_tcp_reset(void)
{
    return (struct nft_step){.put = put_flags, .other = TH_RST, .number = TH_RST};
}

static void put_count(struct nl_msg *message, const struct nft_step *step)
{
    struct expression objref = expression_open(message, "objref");

    put_number(message, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
    put_text(message, NFTA_OBJREF_IMM_NAME, step->text);
    expression_close(message, &objref);
}

struct nft_step nft_count(const char *counter)
{
    return (struct nft_step){.put = put_count, .text = counter};
}

/* Eight bytes in network byte order. */
static void put_large_number(struct nl_msg *message, int type, uint64_t number)
{
    uint64_t big = htobe64(number);

    put_bytes(message, type, &big, sizeof(big));
}

/* `rate`: packets a second, and the burst. */
static void put_limit_data(struct nl_msg *message, uint32_t rate)
{
    put_large_number(message, NFTA_LIMIT_RATE, rate);
    put_large_number(message, NFTA_LIMIT_UNIT, 1); /* second */
    put_number(message, NFTA_LIMIT_BURST, rate);
    put_number(message, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
}

static void put_limit(struct nl_msg *message, const struct nft_step *step)
{
    struct expression limit = expression_open(message, "limit");

    put_limit_data(message, step->number);
    expression_close(message, &limit);
}

struct nft_step nft_limit(uint32_t rate)
{
    return (struct nft_step){.put = put_limit, .number = rate};
}

/* Finds the source in the set, or puts it in, and runs an expression that the element keeps the state of: one
 * for each set, because kernels before 5.11 know no more. number: the rate of a limit, 0: a counter. */
static void put_stateful_source(struct nl_msg *message, const struct nft_step *step)
{
    struct nft_step ipv4 = nft_ipv4();
    struct expression dynset;
    struct nlattr *stateful = NULL;
    struct nlattr *data = NULL;

    put_protocol(message, &ipv4);
    load_payload(message, NFT_PAYLOAD_NETWORK_HEADER, IP_SOURCE, sizeof(uint32_t), NFT_REG_1);
    dynset = expression_open(message, "dynset");
    put_text(message, NFTA_DYNSET_SET_NAME, step->text);
    put_number(message, NFTA_DYNSET_SREG_KEY, NFT_REG_1);
    put_number(message, NFTA_DYNSET_OP, NFT_DYNSET_OP_ADD);
    stateful = nest(message, NFTA_DYNSET_EXPR);
    put_text(message, NFTA_EXPR_NAME, step->number == 0 ? "counter" : "limit");
    data = nest(message, NFTA_EXPR_DATA);
    if (step->number != 0)
        put_limit_data(message, step->number);
    nla_nest_end(message, data);
    nla_nest_end(message, stateful);
    expression_close(message, &dynset);
}

struct nft_step nft_count_source(const char *set)
{
    return (struct nft_step){.put = put_stateful_source, .text = set};
}

struct nft_step nft_limit_source(const char *set, uint32_t rate)
{
    return (struct nft_step){.put = put_stateful_source, .text = set, .number = rate};
}

static void put_log(struct nl_msg *message, const struct nft_step *step)
{
    struct expression log = expression_open(message, "log");
    uint16_t group = htons((uint16_t)step->number);

    put_bytes(message, NFTA_LOG_GROUP, &group, sizeof(group));
    expression_close(message, &log);
}

struct nft_step nft_log(uint16_t group)
{
    return (struct nft_step){.put = put_log, .number = group};
}

static void put_trace(struct nl_msg *message, const struct nft_step *step)
{
    const uint8_t on = 1;
    struct expression immediate = expression_open(message, "immediate");
    struct expression meta;

    (void)step;
    put_number(message, NFTA_IMMEDIATE_DREG, NFT_REG_1);
    put_data(message, NFTA_IMMEDIATE_DATA, &on, sizeof(on));
    expression_close(message, &immediate);
    meta = expression_open(message, "meta");
    put_number(message, NFTA_META_KEY, NFT_META_NFTRACE);
    put_number(message, NFTA_META_SREG, NFT_REG_1);
    expression_close(message, &meta);
}

struct nft_step nft_trace(void)
{
    return (struct nft_step){.put = put_trace};
}

static void put_verdict(struct nl_msg *message, const struct nft_step *step)
{
    struct expression immediate = expression_open(message, "immediate");
    struct nlattr *data = NULL;
    struct nlattr *verdict = NULL;

    put_number(message, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    data = nest(message, NFTA_IMMEDIATE_DATA);
    verdict = nest(message, NFTA_DATA_VERDICT);
    put_number(message, NFTA_VERDICT_CODE, step->number);
    if (step->text != NULL)
        put_text(message, NFTA_VERDICT_CHAIN, step->text);
    nla_nest_end(message, verdict);
    nla_nest_end(message, data);
    expression_close(message, &immediate);
}

struct nft_step nft_accept(void)
{
    return (struct nft_step){.put = put_verdict, .number = NF_ACCEPT};
}

struct nft_step nft_drop(void)
{
    return (struct nft_step){.put = put_verdict, .number = NF_DROP};
}

struct nft_step nft_return(void)
{
    return (struct nft_step){.put = put_verdict, .number = (uint32_t)NFT_RETURN};
}

struct nft_step nft_jump(const char *chain)
{
    return (struct nft_step){.put = put_verdict, .number = (uint32_t)NFT_JUMP, .text = chain};
}

static void put_reject(struct nl_msg *message, const struct nft_step *step)
{
    struct expression reject = expression_open(message, "reject");
    uint8_t code = NFT_REJECT_ICMPX_ADMIN_PROHIBITED;

    put_number(message, NFTA_REJECT_TYPE, step->number);
    if (step->number == NFT_REJECT_ICMPX_UNREACH)
        put_bytes(message, NFTA_REJECT_ICMP_CODE, &code, sizeof(code));
    expression_close(message, &reject);
}

struct nft_step nft_reject_tcp(void)
{
    return (struct nft_step){.put = put_reject, .number = NFT_REJECT_TCP_RST};
}

struct nft_step nft_reject_admin(void)
{
    return (struct nft_step){.put = put_reject, .number = NFT_REJECT_ICMPX_UNREACH};
}

void nft_rule_add(const struct nft_table *table, const char *chain, const struct nft_step *steps)
{
    struct nl_msg *message =
        request(table->batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "add nftables rule");
    struct nlattr *expressions = NULL;

    put_text(message, NFTA_RULE_TABLE, table->name);
    put_text(message, NFTA_RULE_CHAIN, chain);
    expressions = nest(message, NFTA_RULE_EXPRESSIONS);
    for (; steps->put != NULL; steps++)
        steps->put(message, steps);
    nla_nest_end(message, expressions);
}

/* ---- questions ---- */

static struct nlattr *attribute(const struct nlmsghdr *message, int type)
{
    return nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)message, sizeof(struct nfgenmsg), type);
}

/* The attribute as text, "" if there is none (no name here is empty). */
static const char *text_of(const struct nlmsghdr *message, int type)
{
    const struct nlattr *found = attribute(message, type);
    const char *text = found == NULL ? NULL : nla_data(found);

    if (text == NULL || nla_len(found) < 1 || text[nla_len(found) - 1] != '\0')
        return "";
    return text;
}

static bool is_answer(const struct nlmsghdr *message, unsigned type)
{
    return message->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | type);
}

static int read_generation(const struct nlmsghdr *message, void *data)
{
    const struct nlattr *id = attribute(message, NFTA_GEN_ID);

    if (is_answer(message, NFT_MSG_NEWGEN) && id != NULL && nla_len(id) == sizeof(uint32_t))
        *(uint32_t *)data = ntohl(nla_get_u32(id));
    return 0;
}

int nft_generation(struct netlink *nf, uint32_t *ret, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    uint32_t generation = 0;
    int result = 0;

    request(batch, NFT_MSG_GETGEN, 0, "read nftables generation");
    result = netlink_query(nf, batch, read_generation, &generation, err);
    if (result == -EINVAL) /* there is no nf_tables to ask */
        advise_modules(err);
    if (result < 0)
        return result;
    if (generation == 0)
        return error_set(err, EBADMSG, "read nftables generation");
    *ret = generation;
    return 0;
}

bool nft_generation_is(struct netlink *nf, uint32_t generation)
{
    struct error unimportant;
    uint32_t current = 0;

    return nft_generation(nf, &current, &unimportant) == 0 && current == generation;
}

uint32_t nft_generation_after(uint32_t generation)
{
    return generation == UINT32_MAX ? 1 : generation + 1; /* 0 is no generation */
}

static int ignore(const struct nlmsghdr *message, void *data)
{
    (void)message;
    (void)data;
    return 0;
}

int nft_chain_exists(struct netlink *nf, const char *table, const char *chain, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nl_msg *message = request(batch, NFT_MSG_GETCHAIN, 0, "look for nftables chain");

    put_text(message, NFTA_CHAIN_TABLE, table);
    put_text(message, NFTA_CHAIN_NAME, chain);
    return netlink_query(nf, batch, ignore, NULL, err);
}

void nft_names_free_at(struct nft_names *names)
{
    free(names->names);
}

struct listing {
    const char *table;
    const char *prefix;
    unsigned answer;
    int table_attribute;
    int name_attribute;
    struct nft_names *names;
};

static int list_one(const struct nlmsghdr *message, void *data)
{
    const struct listing *listing = data;
    const char *name = text_of(message, listing->name_attribute);
    struct nft_names *names = listing->names;

    if (!is_answer(message, listing->answer) ||
        strcmp(text_of(message, listing->table_attribute), listing->table) != 0 ||
        strncmp(name, listing->prefix, strlen(listing->prefix)) != 0 || strlen(name) >= NFT_NAME_SIZE)
        return 0;
    names->names = reallocarray(names->names, names->count + 1, sizeof(*names->names));
    if (names->names == NULL)
        abort();
    strcpy(names->names[names->count++], name);
    return 0;
}

int nft_list_chains(struct netlink *nf, const char *table, const char *prefix, struct nft_names *names,
                    struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct listing listing = {table, prefix, NFT_MSG_NEWCHAIN, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, names};

    request(batch, NFT_MSG_GETCHAIN, NLM_F_DUMP, "list nftables chains");
    return netlink_query(nf, batch, list_one, &listing, err);
}

int nft_list_sets(struct netlink *nf, const char *table, const char *prefix, struct nft_names *names,
                  struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct listing listing = {table, prefix, NFT_MSG_NEWSET, NFTA_SET_TABLE, NFTA_SET_NAME, names};

    request(batch, NFT_MSG_GETSET, NLM_F_DUMP, "list nftables sets");
    return netlink_query(nf, batch, list_one, &listing, err);
}

struct counter {
    bool found;
    uint64_t packets;
    uint64_t bytes;
};

static int read_counter(const struct nlmsghdr *message, void *data)
{
    struct counter *counter = data;
    struct nlattr *object = attribute(message, NFTA_OBJ_DATA);
    const struct nlattr *packets =
        object == NULL ? NULL : nla_find(nla_data(object), nla_len(object), NFTA_COUNTER_PACKETS);
    const struct nlattr *bytes =
        object == NULL ? NULL : nla_find(nla_data(object), nla_len(object), NFTA_COUNTER_BYTES);

    if (!is_answer(message, NFT_MSG_NEWOBJ) || packets == NULL || bytes == NULL ||
        nla_len(packets) != sizeof(uint64_t) || nla_len(bytes) != sizeof(uint64_t))
        return 0;
    counter->packets = be64toh(nla_get_u64((struct nlattr *)(uintptr_t)packets));
    counter->bytes = be64toh(nla_get_u64((struct nlattr *)(uintptr_t)bytes));
    counter->found = true;
    return 0;
}

int nft_counter_read(struct netlink *nf, const char *table, const char *counter, uint64_t *ret_packets,
                     uint64_t *ret_bytes, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    struct nl_msg *message = request(batch, NFT_MSG_GETOBJ, 0, "read nftables counter");
    struct counter values = {.found = false};
    int result = 0;

    put_text(message, NFTA_OBJ_TABLE, table);
    put_text(message, NFTA_OBJ_NAME, counter);
    put_number(message, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
    result = netlink_query(nf, batch, read_counter, &values, err);
    if (result < 0)
        return result;
    if (!values.found)
        return error_set(err, EBADMSG, "read nftables counter %s of table %s", counter, table);
    *ret_packets = values.packets;
    *ret_bytes = values.bytes;
    return 0;
}

/* ---- what sets of sources have ---- */

enum { READ_ATTEMPTS = 16 };

struct sources {
    struct nft_counted *list;
    size_t count;
};

static struct nlattr *inside(const struct nlattr *parent, int type)
{
    return parent == NULL ? NULL : nla_find(nla_data(parent), nla_len(parent), type);
}

static uint64_t large_number(const struct nlattr *number)
{
    return number != NULL && nla_len(number) == sizeof(uint64_t)
               ? be64toh(nla_get_u64((struct nlattr *)(uintptr_t)number))
               : 0;
}

static int append_source(struct sources *sources, const struct nlattr *element)
{
    const struct nlattr *key = inside(inside(element, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
    const struct nlattr *counter = inside(inside(element, NFTA_SET_ELEM_EXPR), NFTA_EXPR_DATA);
    struct nft_counted *grown = NULL;

    if (key == NULL || nla_len(key) != sizeof(uint32_t))
        return 0;
    grown = reallocarray(sources->list, sources->count + 1, sizeof(*grown));
    if (grown == NULL)
        return -ENOMEM;
    sources->list = grown;
    sources->list[sources->count++] =
        (struct nft_counted){.address = ntohl(nla_get_u32(key)),
                             .packets = large_number(inside(counter, NFTA_COUNTER_PACKETS)),
                             .bytes = large_number(inside(counter, NFTA_COUNTER_BYTES))};
    return 0;
}

static int read_sources(const struct nlmsghdr *message, void *data)
{
    const struct nlattr *elements = attribute(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    const struct nlattr *element = NULL;
    int result = 0;
    int rest = 0;

    if (!is_answer(message, NFT_MSG_NEWSETELEM) || elements == NULL)
        return 0;
    nla_for_each_nested(element, elements, rest) if (result == 0) result = append_source(data, element);
    return result;
}

static int by_address(const void *a, const void *b)
{
    const struct nft_counted *first = a;
    const struct nft_counted *second = b;

    return (first->address > second->address) - (first->address < second->address);
}

int nft_sources_read(struct netlink *nf, const char *table, const char *set, struct nft_counted **ret_counted,
                     size_t *ret_count, struct error *err)
{
    struct sources sources = {.list = NULL};
    int result = -EINTR;

    for (int i = 0; i < READ_ATTEMPTS && result == -EINTR; i++) {
        cleanup_batch struct netlink_batch *batch = netlink_batch_new();
        struct nl_msg *message = request(batch, NFT_MSG_GETSETELEM, NLM_F_DUMP, "read nftables set");

        put_text(message, NFTA_SET_ELEM_LIST_TABLE, table);
        put_text(message, NFTA_SET_ELEM_LIST_SET, set);
        sources.count = 0;
        result = netlink_query(nf, batch, read_sources, &sources, err);
    }
    if (result == -ENOMEM)
        error_set(err, ENOMEM, "read nftables set");
    if (result < 0) {
        free(sources.list);
        return result;
    }
    if (sources.count > 0)
        qsort(sources.list, sources.count, sizeof(*sources.list), by_address);
    *ret_counted = sources.list;
    *ret_count = sources.count;
    return 0;
}

const struct nft_counted *nft_sources_find(const struct nft_counted *counted, size_t count, uint32_t address)
{
    const struct nft_counted wanted = {.address = address};

    return count == 0 ? NULL : bsearch(&wanted, counted, count, sizeof(wanted), by_address);
}

int nft_source_exists(struct netlink *nf, const char *table, const char *set, uint32_t address,
                      bool *ret_exists, struct error *err)
{
    cleanup_batch struct netlink_batch *batch = netlink_batch_new();
    int result = 0;

    put_source(request(batch, NFT_MSG_GETSETELEM, 0, "look for element of nftables set"), table, set,
               address);
    result = netlink_query(nf, batch, ignore, NULL, err);
    if (result < 0 && result != -ENOENT)
        return result;
    *ret_exists = result == 0;
    return 0;
}
