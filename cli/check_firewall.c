/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check_firewall.h"

#include "base/cleanup.h"
#include "netns/uplink.h"

#include <inttypes.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

enum { COMMAND_SIZE = 1024 };

/* The rule to let through: a packet to the proxy, or its answer. */
struct way {
    const char *iptables_link;
    const char *nft_link;
    const char *ufw;
    const char *ufw_end;
    char end;
};

static const struct way COMING = {"-i", "iifname", "in", "to", 'd'};
static const struct way LEAVING = {"-o", "oifname", "out", "from", 's'};

static bool has_line(const char *path, const char *wanted)
{
    cleanup_file FILE *file = fopen(path, "re");
    char line[256];
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
        found = strcmp(line, wanted) == 0;
    return found;
}

/* Another table's name stands in a command that people copy. */
static bool is_plain(const char *name)
{
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] == '\0';
}

static void iptables_command(const struct policy *policy, uint16_t port, const char *variant,
                             const char *chain, const struct way *way, char *text)
{
    char address[16];
    char link[IFNAMSIZ];

    uplink_name(policy->network, link);
    snprintf(text, COMMAND_SIZE, "iptables-%s -I %s %s %s -%c %s -p tcp --%cport %u -j ACCEPT", variant,
             chain, way->iptables_link, link, way->end, policy_format_address(policy->proxy_address, address),
             way->end, port);
}

static void nft_command(const struct policy *policy, uint16_t port, const struct nft_event *event,
                        const struct way *way, char *text)
{
    char address[16];
    char link[IFNAMSIZ];

    uplink_name(policy->network, link);
    snprintf(text, COMMAND_SIZE, "nft insert rule %s %s %s %s %s ip %caddr %s tcp %cport %u accept",
             event->family == NFPROTO_INET ? "inet" : "ip", event->table, event->chain, way->nft_link, link,
             way->end, policy_format_address(policy->proxy_address, address), way->end, port);
}

/* The tables of iptables have the chains of iptables, which then has to have the rule too. */
static void rule_command(const struct policy *policy, uint16_t port, const struct nft_drop *drop, char *text)
{
    const struct nft_event *event = &drop->event;
    const struct way *way = drop->leaving ? &LEAVING : &COMING;
    bool iptables = event->family == NFPROTO_IPV4 && strcmp(event->table, "filter") == 0 &&
                    (strcmp(event->chain, "INPUT") == 0 || strcmp(event->chain, "OUTPUT") == 0);

    if (iptables)
        iptables_command(policy, port, "nft", event->chain, way, text);
    else if (is_plain(event->table) && is_plain(event->chain))
        nft_command(policy, port, event, way, text);
    else
        snprintf(text, COMMAND_SIZE, "nft list ruleset");
}

/* The command in the words of what people configure, if that is what drops. */
static bool manager_command(const struct policy *policy, uint16_t port, const struct nft_drop *drop,
                            char *text)
{
    const struct nft_event *event = &drop->event;
    const struct way *way = drop->leaving ? &LEAVING : &COMING;
    bool ufw = event->family == NFPROTO_IPV4 && has_line("/etc/ufw/ufw.conf", "ENABLED=yes\n");
    char address[16];
    char link[IFNAMSIZ];

    uplink_name(policy->network, link);
    if (ufw)
        snprintf(text, COMMAND_SIZE, "ufw allow %s on %s %s %s port %u proto tcp", way->ufw, link,
                 way->ufw_end, policy_format_address(policy->proxy_address, address), port);
    else if (strcmp(event->table, "firewalld") == 0)
        snprintf(text, COMMAND_SIZE,
                 "firewall-cmd --permanent --zone=trusted --add-interface=%s && firewall-cmd --reload", link);
    return ufw || strcmp(event->table, "firewalld") == 0;
}

static void advise_drop(const struct policy *policy, uint16_t port, const struct nft_drop *drop,
                        struct error *err)
{
    const struct nft_event *event = &drop->event;
    char command[COMMAND_SIZE];
    char who[64] = "the policy";

    if (event->rule != 0)
        snprintf(who, sizeof(who), "rule %" PRIu64, event->rule);
    error_advise(err, "%s is dropped by %s of %s %s %s", drop->leaving ? "the answer" : "it", who,
                 event->family == NFPROTO_INET ? "inet" : "ip", event->table, event->chain);
    if (strncmp(event->table, "sallyport-", strlen("sallyport-")) == 0)
        error_advise(err, "`sallyport network reload %s`", policy->network);
    else if (manager_command(policy, port, drop, command))
        error_advise(err, "`%s`", command);
    else {
        rule_command(policy, port, drop, command);
        error_advise(err, "put a rule like this into its configuration: `%s`", command);
    }
}

void check_advise_firewall(const struct policy *policy, uint16_t port, const struct nft_drop *drop,
                           struct error *err)
{
    char command[COMMAND_SIZE];

    if (drop != NULL) {
        advise_drop(policy, port, drop, err);
        return;
    }
    if (!has_line("/proc/net/ip_tables_names", "filter\n")) {
        error_advise(err,
                     "no chain of nftables drops it: look for XDP and tc programs (`bpftool net`) and for "
                     "tables of the family netdev (`nft list ruleset netdev`)");
        return;
    }
    iptables_command(policy, port, "legacy", "INPUT", &COMING, command);
    error_advise(err,
                 "no chain of nftables drops it, so a rule of iptables-legacy does; let it through: `%s`",
                 command);
}
