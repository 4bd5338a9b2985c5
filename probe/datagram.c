/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP datagrams (unicast, broadcast, multicast, fragmented) and ICMP echoes. Each waits for an answer: an
 * answer is success, and so is none only in the sense that nobody refused (`result=failed error=ETIMEDOUT`).
 */
#include "probe/net.h"

#include <errno.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TIMEOUT = 300, /* ms: an answer from the same machine */
    SIZE_MAX_BYTES = 60000,
};

static int wait_for_answer(int fd, int timeout)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char byte = 0;
    int ready = poll(&wait, 1, timeout);

    if (ready < 0)
        return errno;
    if (ready == 0)
        return ETIMEDOUT;
    return recv(fd, &byte, sizeof(byte), MSG_TRUNC) < 0 ? errno : 0;
}

static int send_and_wait(int fd, const union endpoint *to, socklen_t length, const void *data, size_t size,
                         int timeout)
{
    if (connect(fd, &to->any, length) < 0) /* so that a refusal is told */
        return errno;
    if (send(fd, data, size, 0) < 0)
        return errno;
    return wait_for_answer(fd, timeout);
}

int probe_udp(struct arguments *arguments)
{
    struct socket_options options = socket_options_take(arguments);
    int broadcast = arguments_take_flag(arguments, "--broadcast");
    int timeout = (int)arguments_take_number(arguments, "--timeout-ms", TIMEOUT);
    size_t size = arguments_take_number(arguments, "--size", 64);
    const char *marker = arguments_take(arguments, "--marker", "");
    char **operands = arguments_operands(arguments, 2);
    union endpoint to;
    socklen_t length = parse_endpoint(operands[0], operands[1], &to);
    char *data = calloc(1, SIZE_MAX_BYTES);
    struct timespec begun = attempt_begin();
    int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int error = fd < 0 ? errno : socket_options_apply(fd, &options);

    if (data == NULL || size > SIZE_MAX_BYTES)
        usage("--size is at most %d", SIZE_MAX_BYTES);
    snprintf(data, SIZE_MAX_BYTES, PROBE_MAGIC "%s", marker);
    if (error == 0 && broadcast &&
        setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &broadcast, sizeof(broadcast)) < 0)
        error = errno;
    if (error == 0)
        error = send_and_wait(fd, &to, length, data, size, timeout);
    if (fd >= 0)
        close(fd);
    free(data);
    return report("udp", error, &begun, NULL);
}

/* An echo request; a raw socket if the kernel gives one, else a ping socket. */
static int open_icmp(void)
{
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

    return fd >= 0 ? fd : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
}

int probe_icmp(struct arguments *arguments)
{
    struct socket_options options = socket_options_take(arguments);
    int timeout = (int)arguments_take_number(arguments, "--timeout-ms", TIMEOUT);
    char **operands = arguments_operands(arguments, 1);
    union endpoint to;
    socklen_t length = parse_endpoint(operands[0], "0", &to);
    struct icmphdr echo = {.type = ICMP_ECHO, .un.echo.id = htons(7)};
    struct timespec begun = attempt_begin();
    int fd = open_icmp();
    int error = fd < 0 ? errno : socket_options_apply(fd, &options);

    echo.checksum = checksum_end(checksum_add(0, &echo, sizeof(echo)));
    if (error == 0)
        error = send_and_wait(fd, &to, length, &echo, sizeof(echo), timeout);
    if (fd >= 0)
        close(fd);
    return report("icmp", error, &begun, NULL);
}
