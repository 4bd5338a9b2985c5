/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check_suspects.h"

#include "base/cleanup.h"
#include "netns/dump.h"
#include "netns/netlink.h"
#include "netns/uplink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SUSPECTS_MAX = 6, NAME_MAX_SIZE = 64 };

struct chain {
    uint8_t family;
    bool filter; /* is called by a hook, and not to translate addresses */
    bool drops;  /* by policy */
    uint32_t hook;
    char table[NAME_MAX_SIZE];
    char name[NAME_MAX_SIZE];
};

/* What is known of the firewall that people configure, and not its chains. */
struct firewall {
    bool ufw;
    bool firewalld;
    bool legacy; /* iptables-legacy has a filter table, which nftables does not show */
};

struct words {
    char text[700];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *words, const char *format, ...)
{
    va_list arguments;
    int length = 0;

    if (words->used >= sizeof(words->text))
        return;
    va_start(arguments, format);
    length = vsnprintf(words->text + words->used, sizeof(words->text) - words->used, format, arguments);
    va_end(arguments);
    words->used += length > 0 ? (size_t)length : 0;
}

static void read_name(struct nlattr *attribute, char *ret)
{
    if (attribute != NULL && nla_len(attribute) > 0)
        snprintf(ret, NAME_MAX_SIZE, "%.*s", (int)strnlen(nla_data(attribute), (size_t)nla_len(attribute)),
                 (const char *)nla_data(attribute));
}

static bool read_chain(const struct nlmsghdr *message, void *item)
{
    struct chain *chain = item;
    const struct nfgenmsg *header = NULL;
    struct nlattr *attributes[NFTA_CHAIN_MAX + 1];
    struct nlattr *hook[NFTA_HOOK_MAX + 1];
    char type[NAME_MAX_SIZE] = "";

    if (message->nlmsg_type != ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWCHAIN) ||
        nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, NFTA_CHAIN_MAX, NULL) < 0)
        return false;
    header = nlmsg_data(message);
    chain->family = header->nfgen_family;
    read_name(attributes[NFTA_CHAIN_TABLE], chain->table);
    read_name(attributes[NFTA_CHAIN_NAME], chain->name);
    if (attributes[NFTA_CHAIN_HOOK] == NULL ||
        nla_parse_nested(hook, NFTA_HOOK_MAX, attributes[NFTA_CHAIN_HOOK], NULL) < 0 ||
        hook[NFTA_HOOK_HOOKNUM] == NULL || nla_len(hook[NFTA_HOOK_HOOKNUM]) < (int)sizeof(uint32_t))
        return true;
    read_name(attributes[NFTA_CHAIN_TYPE], type);
    chain->filter = strcmp(type, "filter") == 0;
    chain->hook = ntohl(nla_get_u32(hook[NFTA_HOOK_HOOKNUM]));
    chain->drops = attributes[NFTA_CHAIN_POLICY] != NULL &&
                   nla_len(attributes[NFTA_CHAIN_POLICY]) >= (int)sizeof(uint32_t) &&
                   ntohl(nla_get_u32(attributes[NFTA_CHAIN_POLICY])) == NF_DROP;
    return true;
}

static int list_chains(struct chain **ret, size_t *ret_count, struct error *err)
{
    const struct nfgenmsg header = {.nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0};
    cleanup_netlink struct netlink *nf = NULL;
    int result = netlink_open(NETLINK_NETFILTER, &nf, err);

    return result < 0
               ? result
               : dump_list(nf, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETCHAIN, &header, sizeof(header),
                           "list nftables chains", sizeof(**ret), read_chain, (void **)ret, ret_count, err);
}

static bool ours(const struct chain *chain)
{
    return chain->family == NFPROTO_INET && strncmp(chain->table, "sallyport-", strlen("sallyport-")) == 0;
}

/* The chains that a member's packet to the proxy meets, and the answer to it. */
static bool on_the_way(const struct chain *chain)
{
    bool family = chain->family == NFPROTO_INET || chain->family == NFPROTO_IPV4;

    return chain->filter && family && !ours(chain) &&
           (chain->hook == NF_INET_PRE_ROUTING || chain->hook == NF_INET_LOCAL_IN ||
            chain->hook == NF_INET_LOCAL_OUT || chain->hook == NF_INET_POST_ROUTING);
}

static struct firewall recognise(const struct chain *chains, size_t count)
{
    struct firewall firewall = {.legacy = false};
    cleanup_file FILE *legacy = fopen("/proc/net/ip_tables_names", "re");
    char line[64];

    while (legacy != NULL && fgets(line, sizeof(line), legacy) != NULL)
        firewall.legacy |= strcmp(line, "filter\n") == 0;
    for (size_t i = 0; i < count; i++) {
        firewall.ufw |= strncmp(chains[i].name, "ufw-", strlen("ufw-")) == 0;
        firewall.firewalld |= strcmp(chains[i].table, "firewalld") == 0;
    }
    firewall.firewalld |=
        access("/run/firewalld/firewalld.pid", F_OK) == 0 || access("/run/firewalld.pid", F_OK) == 0;
    return firewall;
}

static const char *family_name(const struct chain *chain)
{
    return chain->family == NFPROTO_INET ? "inet" : "ip";
}

/* The rule that lets the packets pass one chain. One of iptables' own is changed by iptables, by the name of
 * the right one: `iptables` may be either. */
static void say_rule(struct words *words, const struct policy *policy, const struct chain *chain, bool legacy)
{
    bool answers = chain->hook == NF_INET_LOCAL_OUT || chain->hook == NF_INET_POST_ROUTING;
    char address[16];
    char link[IFNAMSIZ];

    policy_format_address(policy->proxy_address, address);
    uplink_name(policy->network, link);
    if (chain->family == NFPROTO_IPV4 && strcmp(chain->table, "filter") == 0 &&
        (strcmp(chain->name, "INPUT") == 0 || strcmp(chain->name, "OUTPUT") == 0))
        say(words, "iptables-%s -I %s %s %s -%c %s -p tcp --%cport %u -j ACCEPT", legacy ? "legacy" : "nft",
            chain->name, answers ? "-o" : "-i", link, answers ? 's' : 'd', address, answers ? 's' : 'd',
            policy->proxy_port);
    else
        say(words, "nft insert rule %s %s %s %s %s ip %caddr %s tcp %cport %u accept", family_name(chain),
            chain->table, chain->name, answers ? "oifname" : "iifname", link, answers ? 's' : 'd', address,
            answers ? 's' : 'd', policy->proxy_port);
}

/* Who: chains that drop what no rule takes; where there is none, all that could. */
static size_t choose(const struct chain *chains, size_t count, const struct chain *suspects[SUSPECTS_MAX])
{
    size_t found = 0;

    for (int by_policy = 1; by_policy >= 0 && found == 0; by_policy--)
        for (size_t i = 0; i < count && found < SUSPECTS_MAX; i++)
            if (on_the_way(&chains[i]) && (chains[i].drops || by_policy == 0))
                suspects[found++] = &chains[i];
    return found;
}

static void say_suspects(struct words *words, const struct chain *suspects[], size_t count,
                         const struct firewall *firewall)
{
    say(words, "%s",
        firewall->ufw         ? "ufw is in force; "
        : firewall->firewalld ? "firewalld is in force; "
                              : "");
    for (size_t i = 0; i < count; i++)
        say(words, "%s%s %s %s%s", i == 0 ? "suspect is " : ", ", family_name(suspects[i]),
            suspects[i]->table, suspects[i]->name, suspects[i]->drops ? " (policy drop)" : "");
    if (firewall->legacy)
        say(words, "%siptables-legacy's table filter", count == 0 ? "suspect is " : ", ");
    else if (count == 0)
        say(words, "no chain of nftables is in the way: look at tc, XDP and netdev tables of the link");
}

static void say_command(struct words *words, const struct policy *policy, const struct chain *suspects[],
                        size_t count, const struct firewall *firewall)
{
    static const struct chain input = {
        .family = NFPROTO_IPV4, .hook = NF_INET_LOCAL_IN, .table = "filter", .name = "INPUT"};
    char address[16];
    char link[IFNAMSIZ];

    policy_format_address(policy->proxy_address, address);
    uplink_name(policy->network, link);
    if (count == 0 && !firewall->legacy)
        return;
    say(words, "; let it through: `");
    if (firewall->ufw) {
        say(words, "ufw allow in on %s to %s port %u proto tcp", link, address, policy->proxy_port);
    } else if (firewall->firewalld) {
        say(words, "firewall-cmd --permanent --zone=trusted --add-interface=%s && firewall-cmd --reload",
            link);
    } else if (count == 0) {
        say_rule(words, policy, &input, true);
    } else {
        for (size_t i = 0; i < count; i++) {
            say(words, "%s", i == 0 ? "" : " && ");
            say_rule(words, policy, suspects[i], false);
        }
    }
    say(words, "`%s",
        firewall->ufw || firewall->firewalld ? "" : ", and put that into the firewall's configuration");
}

void check_suspects(const struct policy *policy, struct error *err)
{
    cleanup_free struct chain *chains = NULL;
    const struct chain *suspects[SUSPECTS_MAX];
    struct words words = {.used = 0};
    struct error unread = {0};
    struct firewall firewall;
    size_t count = 0;
    size_t found = 0;

    if (list_chains(&chains, &count, &unread) < 0) {
        error_advise(err, "the host's firewall cannot be read (%s): look at `nft list ruleset`", unread.text);
        return;
    }
    firewall = recognise(chains, count);
    found = choose(chains, count, suspects);
    say_suspects(&words, suspects, found, &firewall);
    say_command(&words, policy, suspects, found, &firewall);
    error_advise(err, "%s", words.text);
}
