/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames and packets past the container's own IP stack, and so past its routes and its guard. */
#include "probe/frame.h"
#include "probe/net.h"

#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void check_kind(const char *kind, bool ipv4_only)
{
    static const char *const KINDS[] = {"udp", "tcp", "icmp", "arp", "udp6", "neighbour6"};

    for (size_t i = 0; i < (ipv4_only ? 3 : array_size(KINDS)); i++)
        if (strcmp(kind, KINDS[i]) == 0)
            return;
    usage("no kind `%s` of packet", kind);
}

int probe_packet(struct arguments *arguments)
{
    uint8_t frame[FRAME_SIZE_MAX];
    struct frame_options options =
        frame_options_take(arguments, arguments->count > 0 ? arguments->values[0] : "");
    char **operands = arguments_operands(arguments, 2);
    union endpoint to = {.link = {.sll_family = AF_PACKET, .sll_halen = ETH_ALEN}};
    struct timespec begun = attempt_begin();
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    int error = fd < 0 ? errno : 0;
    size_t length = 0;

    options.kind = operands[1];
    check_kind(options.kind, false);
    length = frame_build(&options, frame);
    to.link.sll_ifindex = (int)if_nametoindex(operands[0]);
    if (error == 0 && sendto(fd, frame, length, 0, &to.any, sizeof(to.link)) < 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    return report("packet", error, &begun, NULL);
}

int probe_raw(struct arguments *arguments)
{
    uint8_t packet[FRAME_SIZE_MAX] = {0};
    struct socket_options socket_options = {.device = arguments_take(arguments, "--device", NULL)};
    struct frame_options options = frame_options_take(arguments, NULL);
    char **operands = arguments_operands(arguments, 2);
    union endpoint to = {.four = {.sin_family = AF_INET, .sin_addr = parse_ipv4(operands[0])}};
    struct timespec begun = attempt_begin();
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    int error = fd < 0 ? errno : socket_options_apply(fd, &socket_options);
    size_t length = 0;

    options.kind = operands[1];
    options.dest_ip = to.four.sin_addr;
    check_kind(options.kind, true);
    length = frame_build_ipv4(&options, packet);
    if (error == 0 && sendto(fd, packet, length, 0, &to.any, sizeof(to.four)) < 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    return report("raw", error, &begun, NULL);
}
