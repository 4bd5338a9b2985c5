/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any frames as what the witness in the hub sees. Each is a byte that tells its way, two of its
 * ethertype, one of its length, and so many of its own. None that a member may not send comes in unnoticed,
 * none leaves as allowed but TCP, and what is said of them is text of bounded size. */
#include "cli/verify_packets.h"
#include "require.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

enum { MEMBER = 7, LEAVING = 1, BY_MEMBER = 2, ODD = 4, HEADER = 4 };

static const char text[] = "{\"version\":1,\"subnet\":\"10.209.0.0/24\","
                           "\"proxy\":{\"address\":\"10.209.0.2\",\"port\":3128,\"at\":\"host\"},\"roles\":{"
                           "\"agent\":{\"addresses\":\"10.209.0.64/26\",\"reach\":[\"proxy\"]}}}";
static const uint8_t own[] = {10, 209, 0, 64};

/* What the guard lets out, said once more, from the bytes themselves. */
static bool is_tolerable(const struct witness_packet *packet)
{
    const uint8_t *bytes = packet->bytes;

    return packet->ethertype == ETH_P_IP && !packet->odd_frame && packet->size >= 20 && bytes[0] >> 4 == 4 &&
           (bytes[6] & 0x3f) == 0 && bytes[7] == 0 && bytes[9] == IPPROTO_TCP &&
           memcmp(bytes + 12, own, sizeof(own)) == 0 && memcmp(bytes + 16, own, 3) == 0;
}

static void check(const struct verify_offenders *offenders)
{
    require(offenders->told <= VERIFY_OFFENDERS_MAX && offenders->told <= offenders->count);
    for (size_t i = 0; i < offenders->told; i++) {
        const char *said = offenders->first[i].text;
        size_t length = strnlen(said, VERIFY_OFFENDER_SIZE);

        require(length > 0 && length < VERIFY_OFFENDER_SIZE);
        for (size_t k = 0; k < length; k++)
            require(said[k] >= ' ' && said[k] <= '~');
    }
}

static void take(struct verify_packets *packets, const uint8_t *data, size_t size)
{
    const struct verify_packets before = *packets;
    struct witness_packet packet = {.link = (data[0] & BY_MEMBER) != 0 ? MEMBER : MEMBER + 1,
                                    .leaving = (data[0] & LEAVING) != 0,
                                    .odd_frame = (data[0] & ODD) != 0,
                                    .ethertype = (uint16_t)(data[1] << 8 | data[2])};

    witness_parse(data + HEADER, size, &packet);
    verify_packets_take(packets, &packet);
    if (!packet.leaving && packet.link == MEMBER)
        require((packets->entering.count == before.entering.count) == is_tolerable(&packet));
    if (packets->allowed > before.allowed)
        require(packet.leaving && packet.link != MEMBER && packet.ip.protocol == IPPROTO_TCP);
    check(&packets->entering);
    check(&packets->leaving);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy policy;
    struct error err = {.number = 0};
    struct verify_packets packets = {
        .policy = &policy, .marker = "0123abcd", .link = MEMBER, .address = 0x0ad10040};

    require(policy_parse(text, strlen(text), "test", "hermes", &policy, &err) == 0);
    while (size >= HEADER && size - HEADER >= data[3]) {
        size_t length = data[3];

        take(&packets, data, length);
        data += HEADER + length;
        size -= HEADER + length;
    }
    policy_free(&policy);
    return 0;
}
