/* SPDX-License-Identifier: Apache-2.0
 *
 * Group "raw": sockets that need no wall's consent once they are open: every family of the kernel but UNIX,
 * INET, INET6 and NETLINK, raw and packet sockets, and the same under numbers that a careless filter lets
 * through. */
#include "probe/battery.h"

#include "probe/system_calls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FAMILY_END = 64 };

static const struct named_triple {
    const char *name;
    const char *tried;
    struct triple triple;
} TRIPLES[] = {
    {"raw-tcp", "a raw IPv4 socket for TCP", {AF_INET, SOCK_RAW, IPPROTO_TCP}},
    {"raw-udp", "a raw IPv4 socket for UDP", {AF_INET, SOCK_RAW, IPPROTO_UDP}},
    {"raw-icmp", "a raw IPv4 socket for ICMP", {AF_INET, SOCK_RAW, IPPROTO_ICMP}},
    {"raw-any", "a raw IPv4 socket with headers of one's own", {AF_INET, SOCK_RAW, IPPROTO_RAW}},
    {"raw-icmp6", "a raw IPv6 socket for ICMPv6", {AF_INET6, SOCK_RAW, IPPROTO_ICMPV6}},
    {"raw6-any", "a raw IPv6 socket with headers of one's own", {AF_INET6, SOCK_RAW, IPPROTO_RAW}},
    {"raw-cloexec", "a raw socket with a type flag", {AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW}},
    {"raw-nonblock", "a raw socket with a type flag", {AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_RAW}},
    {"raw-high-type", "a raw socket, bit 32 of the type set", {AF_INET, SOCK_RAW | 1ULL << 32, IPPROTO_RAW}},
    {"raw-high-family",
     "a raw socket, bit 32 of the family set",
     {AF_INET | 1ULL << 32, SOCK_RAW, IPPROTO_RAW}},
    {"sock-packet", "SOCK_PACKET on AF_INET", {AF_INET, SOCK_PACKET, 0x0300}},
    {"sock-packet-high", "SOCK_PACKET, bit 63 set", {AF_INET | 1ULL << 63, SOCK_PACKET, 0x0300}},
    {"packet-high-family", "AF_PACKET, bit 32 set", {AF_PACKET | 1ULL << 32, SOCK_RAW, 0x0300}},
    {"vsock-high-family", "AF_VSOCK, bit 32 set", {AF_VSOCK | 1ULL << 32, SOCK_STREAM, 0}},
    {"alg-high-family", "AF_ALG, bit 32 set", {AF_ALG | 1ULL << 32, SOCK_SEQPACKET, 0}},
    {"ping", "a ping socket", {AF_INET, SOCK_DGRAM, IPPROTO_ICMP}},
    {"ping6", "an IPv6 ping socket", {AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6}},
    {"l2tp", "an L2TP socket (protocol 115)", {AF_INET, SOCK_DGRAM, 115}},
    {"l2tp6", "an L2TP socket by IPv6", {AF_INET6, SOCK_DGRAM, 115}},
    {"smc", "SMC on AF_INET (protocol 256)", {AF_INET, SOCK_STREAM, 256}},
};

static const char *family_name(int family)
{
    static const struct {
        int family;
        const char *name;
    } NAMES[] = {
        {AF_AX25, "ax25"},   {AF_IPX, "ipx"},       {AF_APPLETALK, "appletalk"},
        {AF_X25, "x25"},     {AF_KEY, "key"},       {AF_PACKET, "packet"},
        {AF_RDS, "rds"},     {AF_PPPOX, "pppox"},   {AF_LLC, "llc"},
        {AF_IB, "ib"},       {AF_MPLS, "mpls"},     {AF_CAN, "can"},
        {AF_TIPC, "tipc"},   {AF_BLUETOOTH, "bt"},  {AF_IUCV, "iucv"},
        {AF_RXRPC, "rxrpc"}, {AF_PHONET, "phonet"}, {AF_IEEE802154, "ieee802154"},
        {AF_ALG, "alg"},     {AF_NFC, "nfc"},       {AF_VSOCK, "vsock"},
        {AF_KCM, "kcm"},     {AF_QIPCRTR, "qrtr"},  {AF_SMC, "smc"},
        {AF_XDP, "xdp"},     {45, "mctp"},
    };

    for (size_t i = 0; i < array_size(NAMES); i++)
        if (NAMES[i].family == family)
            return NAMES[i].name;
    return "unnamed";
}

/* Every type there is, since a filter may know only some. One that opens is open; what says something else
 * than "no such thing" is a refusal. */
static void run_family(const struct battery *battery, const void *data, struct answer *ret)
{
    const int *family = data;
    int refusal = 0;
    (void)battery;

    for (int type = SOCK_STREAM; type <= SOCK_PACKET; type++) {
        int fd = socket(*family, type | SOCK_CLOEXEC, *family == AF_PACKET ? htons(ETH_P_ALL) : 0);

        if (fd >= 0) {
            answer_say(ret, SEEN_OPEN, "type %d opened", type);
            close(fd);
            return;
        }
        if (refusal == 0 || (errno != EAFNOSUPPORT && errno != ESOCKTNOSUPPORT && errno != EPROTONOSUPPORT))
            refusal = errno;
    }
    answer_error(ret, refusal);
}

static void try_family(struct battery *battery, int family)
{
    char name[32];
    char tried[64];

    snprintf(name, sizeof(name), "family-%d-%s", family, family_name(family));
    snprintf(tried, sizeof(tried), "a socket of family %d, of any type", family);
    battery_try(battery, &(struct attempt){.name = name, .tried = tried, .run = run_family, .data = &family});
}

void battery_raw(struct battery *battery)
{
    for (size_t i = 0; i < array_size(TRIPLES); i++) {
        const struct call call = {try_socket, &TRIPLES[i].triple};

        battery_try(battery, &(struct attempt){.name = TRIPLES[i].name,
                                               .tried = TRIPLES[i].tried,
                                               .run = battery_run_call,
                                               .data = &call});
    }
    for (int family = 0; family < FAMILY_END; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
            try_family(battery, family);
}
