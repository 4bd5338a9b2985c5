/* SPDX-License-Identifier: Apache-2.0
 *
 * nftables in one transaction: tables, chains, rules and flow sets appended to a netlink batch, sent at once.
 *
 * A rule is written as a list of steps that reads like nft's own text:
 *
 *     nft_rule(&table, "output", nft_oifname("sp0"), nft_ipv4(), nft_tcp(), nft_accept());
 *
 * Invariant: what a transaction says happens as a whole or not at all, and its failure is always noticed. The
 * kernel answers for the request that it refuses, or for the opening of the transaction when the commit
 * itself fails; that all went well is told by the one acknowledgement asked for, on the last request before
 * the end (kernels before 6.10 do not acknowledge the end). Every table here is of the family inet. */
#pragma once

#include "base/error.h"
#include "netns/netlink.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NFT_NAME_SIZE = 32 }; /* table, chain and set names used here, with the final NUL */

/* Priorities of base chains: nft's `raw` (before connection tracking and any address translation) and
 * `filter`. */
enum {
    NFT_PRIORITY_RAW = -300,
    NFT_PRIORITY_FILTER = 0,
};

/* The table that following calls are about. `name` is borrowed until the batch is sent. */
struct nft_table {
    struct netlink_batch *batch;
    const char *name;
};

/* One step of a rule: a match, an action or a verdict. Made by the functions below. Strings are borrowed
 * until the rule is made. */
struct nft_step {
    void (*put)(struct nl_msg *message, const struct nft_step *step);
    const char *text;
    uint32_t
        number; /* addresses and ports in network byte order, like everything that is compared with packets */
    uint32_t other; /* the mask, the end of the range, or what is looked at */
    bool negated;
};

/* Opens a transaction. `generation`: it only applies while the rules are still those of nft_generation's
 * answer (-ERESTART otherwise); 0 for whatever there is. */
void nft_begin(struct netlink_batch *batch, uint32_t generation);

/* Closes the transaction and sends it. Returns 0 or a negative errno value. */
int nft_commit(struct netlink *nf, struct netlink_batch *batch, struct error *err);

/* Makes the table unless it is there. */
void nft_table_add(const struct nft_table *table);

/* Makes the table; that there is one is a refusal (-EEXIST). */
void nft_table_add_new(const struct nft_table *table);

/* Makes the table, which must be new; it goes when the socket that sends this is closed. Linux 5.12. */
void nft_table_add_owned(const struct nft_table *table);

/* Deletes the table, which must be there (after nft_table_add it is). */
void nft_table_delete(const struct nft_table *table);

/* Deletes every rule of every chain of the table. */
void nft_table_flush(const struct nft_table *table);

/* Makes a regular chain. */
void nft_chain_add(const struct nft_table *table, const char *chain);

/* Makes a base chain of the type filter. `hook`: NF_INET_*; `policy`: NF_ACCEPT or NF_DROP. */
void nft_base_chain_add(const struct nft_table *table, const char *chain, unsigned hook, int priority,
                        uint32_t policy);

void nft_chain_delete(const struct nft_table *table, const char *chain);

/* Makes a named counter unless it is there; then it keeps its values. */
void nft_counter_add(const struct nft_table *table, const char *counter);

/* A flow is "these addresses may connect to those addresses at this TCP port". A set of flows is a
 * concatenation of ranges (source . destination . port), so that any number of them costs one look-up. It is
 * constant: filled before the first rule uses it, never changed again.
 *
 * The kernel makes the elements of a set visible a moment after the rules of the same transaction: a rule
 * that must not miss in that moment belongs in a later transaction than its set. */
struct nft_flow {
    struct policy_range from;
    struct policy_range to;
    uint16_t port;
};

void nft_flows_add(const struct nft_table *table, const char *set, const struct nft_flow *flows,
                   size_t count);
void nft_set_delete(const struct nft_table *table, const char *set);

/* A set of IPv4 addresses that rules fill (nft_count_source, nft_limit_source), each with a state of its own,
 * unless it is there; then it keeps what it has. `size`: of how many addresses; what comes after them is not
 * remembered. */
void nft_sources_add(const struct nft_table *table, const char *set, uint32_t size);

/* Takes an address out, which must be in. */
void nft_source_delete(const struct nft_table *table, const char *set, uint32_t address);

/* Appends a rule made of steps to the chain. */
void nft_rule_add(const struct nft_table *table, const char *chain, const struct nft_step *steps);
#define nft_rule(table, chain, ...) \
    nft_rule_add(table, chain, (const struct nft_step[]){__VA_ARGS__, {.put = NULL}})

/* Matches. An inet table needs nft_ipv4 before anything that looks at addresses, and nft_tcp before anything
 * that looks at ports or flags. nft_flow and nft_flow_reply include both. */
struct nft_step nft_iif_loopback(void);
struct nft_step nft_oif_loopback(void);
struct nft_step nft_not_iif_loopback(void);
struct nft_step nft_iifname(const char *name);
struct nft_step nft_oifname(const char *name);
struct nft_step nft_not_iifname(const char *name);
struct nft_step nft_not_oifname(const char *name);
struct nft_step nft_ipv4(void);
struct nft_step nft_tcp(void);
struct nft_step nft_saddr(struct policy_range addresses);
struct nft_step nft_daddr(struct policy_range addresses);
struct nft_step nft_sport(uint16_t port);
struct nft_step nft_dport(uint16_t port);
struct nft_step nft_unfragmented(void); /* neither a first nor a later fragment */

/* The packet goes from a flow's source to its destination and port. */
struct nft_step nft_flow(const char *set);

/* The packet goes from a flow's destination and port to its source: the exact mirror, from the same set. */
struct nft_step nft_flow_reply(const char *set);

/* `tcp flags & (syn | ack) != syn` and `tcp flags & (ack | rst) != 0`: the packet is one of a connection that
 * the other side has opened. Without the first a mirrored rule lets the target connect back from its port to
 * any port of the source. Without the second it lets it look for listeners there: what has neither flag (FIN,
 * none at all, FIN with PSH and URG) is ignored by a port that listens and reset by one that does not. No TCP
 * sends such a packet: all that follows the first SYN has ACK, but for the reset of an unexpected ACK.
 *
 * Two masks, because what passes (ACK with anything, RST without SYN) is not one mask with one value. */
struct nft_step nft_answering(void);

struct nft_step nft_tcp_reset(void); /* the RST flag is set */

/* Actions and verdicts. */
struct nft_step nft_count(const char *counter);
struct nft_step
nft_limit(uint32_t rate); /* the rule goes on for `rate` packets a second, and as many at once */

/* Counts the packet for its source, which has to be an IPv4 address. */
struct nft_step nft_count_source(const char *set);

/* As nft_limit, for each source by itself. */
struct nft_step nft_limit_source(const char *set, uint32_t rate);

struct nft_step nft_log(uint16_t group); /* to the reader of the group, if there is one; the rule goes on */
struct nft_step nft_trace(void);         /* the kernel tells what becomes of the packet (netns/nft_trace.h) */
struct nft_step nft_accept(void);
struct nft_step nft_drop(void);
struct nft_step nft_return(void);
struct nft_step nft_jump(const char *chain);
struct nft_step nft_reject_tcp(void);   /* reject with tcp reset */
struct nft_step nft_reject_admin(void); /* reject with icmpx admin-prohibited */

/* Questions. */

/* The number of the current generation of rules in the socket's namespace. */
int nft_generation(struct netlink *nf, uint32_t *ret, struct error *err);

/* Whether it is still this one: nobody has changed a rule since. */
bool nft_generation_is(struct netlink *nf, uint32_t generation);

/* The number after one more transaction. */
uint32_t nft_generation_after(uint32_t generation);

/* Returns 0 if the chain exists, -ENOENT if it (or its table) does not. */
int nft_chain_exists(struct netlink *nf, const char *table, const char *chain, struct error *err);

struct nft_names {
    char (*names)[NFT_NAME_SIZE];
    size_t count;
};

void nft_names_free_at(struct nft_names *names);
#define cleanup_nft_names __attribute__((cleanup(nft_names_free_at)))

/* Appends the names of the table's chains (or sets) that begin with `prefix`. No such table: none. */
int nft_list_chains(struct netlink *nf, const char *table, const char *prefix, struct nft_names *names,
                    struct error *err);
int nft_list_sets(struct netlink *nf, const char *table, const char *prefix, struct nft_names *names,
                  struct error *err);

/* The values of a named counter. */
int nft_counter_read(struct netlink *nf, const char *table, const char *counter, uint64_t *ret_packets,
                     uint64_t *ret_bytes, struct error *err);

/* What nft_count_source has counted. */
struct nft_counted {
    uint32_t address; /* in the byte order of the machine */
    uint64_t packets;
    uint64_t bytes;
};

/* Reads all of it, by address; *ret_counted is for the caller to free. No such set: -ENOENT. */
int nft_sources_read(struct netlink *nf, const char *table, const char *set, struct nft_counted **ret_counted,
                     size_t *ret_count, struct error *err);

/* The one of the address in what was read; NULL if it has none. Borrowed. */
const struct nft_counted *nft_sources_find(const struct nft_counted *counted, size_t count, uint32_t address);

/* Whether the address is in the set. No such set: it is not. */
int nft_source_exists(struct netlink *nf, const char *table, const char *set, uint32_t address,
                      bool *ret_exists, struct error *err);
