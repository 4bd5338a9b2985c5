/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct socket_options socket_options_take(struct arguments *arguments)
{
    return (struct socket_options){
        .device = arguments_take(arguments, "--device", NULL),
        .unicast_if = arguments_take(arguments, "--unicast-if", NULL),
        .source = arguments_take(arguments, "--source", NULL),
        .source_port = arguments_take(arguments, "--source-port", NULL),
    };
}

static int set_unicast_if(int fd, const char *link)
{
    uint32_t index = htonl(if_nametoindex(link)); /* network byte order: ip(7) */

    if (index == 0)
        return ENODEV;
    return setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &index, sizeof(index)) < 0 ? errno : 0;
}

static int bind_source(int fd, const struct socket_options *options)
{
    union endpoint from;
    socklen_t length = parse_endpoint(options->source != NULL ? options->source : "0.0.0.0",
                                      options->source_port != NULL ? options->source_port : "0", &from);
    int yes = 1;

    if (setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &yes, sizeof(yes)) < 0)
        return errno;
    return bind(fd, &from.any, length) < 0 ? errno : 0;
}

int socket_options_apply(int fd, const struct socket_options *options)
{
    int error = 0;

    if (options->device != NULL && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options->device,
                                              (socklen_t)strlen(options->device) + 1) < 0)
        error = errno;
    if (error == 0 && options->unicast_if != NULL)
        error = set_unicast_if(fd, options->unicast_if);
    if (error == 0 && (options->source != NULL || options->source_port != NULL))
        error = bind_source(fd, options);
    return error;
}

int finish_hold(int fd, int milliseconds)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char byte = 0;

    if (poll(&wait, 1, milliseconds) == 0)
        return 0;
    return read(fd, &byte, 1) < 0 ? errno : ECONNRESET;
}

uint32_t checksum_add(uint32_t sum, const void *data, size_t length)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < length; i++)
        sum += (i & 1) == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    return sum;
}

uint16_t checksum_end(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}
