/* SPDX-License-Identifier: Apache-2.0
 *
 * The two ends of a measured path: TCP, as an agent speaks to its proxy.
 *
 *   traffic serve PORT
 *       at every address; says "ready" and serves until it is killed
 *   traffic ask ADDRESS PORT COUNT
 *       so many requests on one connection; tells p50, p99 and the processor's work in microseconds each
 *   traffic connect ADDRESS PORT COUNT
 *       the same, each on a connection of its own
 *   traffic stream ADDRESS PORT STREAMS MILLISECONDS
 *       as much as goes through; tells Gbit/s, and the processor's work in microseconds a megabyte
 *
 * A client says first how large its requests and their answers are, and every answer is counted to its last
 * byte. A stream has none, but at its end, which is a byte that is not zero, the server says how much
 * arrived: if that is not what was sent, the client fails. */
#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { REQUEST = 256, ANSWER = 1024, CHUNK = 128 * 1024, STREAMS_MAX = 64, COUNT_MAX = 1000000 };
enum { TIMEOUT_SECONDS = 20, END = 1 };

/* What a connection opens with. No answer: a stream. */
struct kind {
    uint32_t request;
    uint32_t answer;
};

struct stream {
    pthread_t thread;
    const struct sockaddr_in *server;
    double until;
    uint64_t sent;
};

static const char zeros[CHUNK];

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "traffic: %s: %s\n", what, errno != 0 ? strerror(errno) : "not as it should be");
    exit(1);
}

static double microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Microseconds that a processor has worked for this process: its half of the path included, as the kernel
 * takes a packet through all the namespaces in the sender's time. */
static double worked(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) < 0)
        die("usage");
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static bool send_all(int fd, const void *data, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t sent = send(fd, (const char *)data + done, length - done, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        done += (size_t)sent;
    }
    return true;
}

static bool receive_all(int fd, void *data, size_t length)
{
    return recv(fd, data, length, MSG_WAITALL) == (ssize_t)length;
}

static void *serve_connection(void *argument)
{
    cleanup_close int fd = (int)(intptr_t)argument;
    char buffer[CHUNK];
    struct kind kind;

    if (!receive_all(fd, &kind, sizeof(kind)) || kind.request > CHUNK || kind.answer > CHUNK)
        return NULL;
    if (kind.answer == 0) {
        uint64_t count = 0;
        ssize_t got = 0;

        while ((got = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
            count += (uint64_t)got;
            if (buffer[got - 1] == END)
                send_all(fd, &count, sizeof(count));
        }
        return NULL;
    }
    while (receive_all(fd, buffer, kind.request) && send_all(fd, zeros, kind.answer))
        ;
    return NULL;
}

static void no_delay(int fd)
{
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) < 0)
        die("no delay");
}

static _Noreturn void serve(const struct sockaddr_in *address)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
        bind(listener, (const struct sockaddr *)address, sizeof(*address)) < 0 || listen(listener, 128) < 0)
        die("listen");
    puts("ready");
    fflush(stdout);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;

        if (fd < 0)
            die("accept");
        no_delay(fd);
        if (pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)fd) != 0)
            die("thread");
        pthread_detach(thread);
    }
}

static int open_connection(const struct sockaddr_in *server, struct kind kind)
{
    const struct timeval patience = {.tv_sec = TIMEOUT_SECONDS};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
        connect(fd, (const struct sockaddr *)server, sizeof(*server)) < 0)
        die("connect");
    no_delay(fd);
    if (!send_all(fd, &kind, sizeof(kind)))
        die("send");
    return fd;
}

static void ask_once(int fd)
{
    char answer[ANSWER];

    if (!send_all(fd, zeros, REQUEST) || !receive_all(fd, answer, sizeof(answer)))
        die("answer");
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void ask(const struct sockaddr_in *server, unsigned count, bool connections)
{
    const struct kind kind = {REQUEST, ANSWER};
    cleanup_free double *times = calloc(count, sizeof(*times));
    cleanup_close int kept = connections ? -1 : open_connection(server, kind);
    double work = worked();

    if (times == NULL)
        die("memory");
    for (unsigned i = 0; i < count; i++) {
        double begun = microseconds();
        int fd = connections ? open_connection(server, kind) : kept;

        ask_once(fd);
        times[i] = microseconds() - begun;
        if (connections)
            close(fd);
    }
    work = worked() - work;
    qsort(times, count, sizeof(*times), compare);
    printf("%.2f %.2f %.2f\n", times[count / 2], times[(size_t)count * 99 / 100], work / count);
}

static void *send_stream(void *argument)
{
    struct stream *stream = argument;
    cleanup_close int fd = open_connection(stream->server, (struct kind){CHUNK, 0});
    uint64_t arrived = 0;

    while (microseconds() < stream->until) {
        if (!send_all(fd, zeros, CHUNK))
            die("send");
        stream->sent += CHUNK;
    }
    stream->sent++;
    errno = 0;
    if (!send_all(fd, &(char){END}, 1) || !receive_all(fd, &arrived, sizeof(arrived)) ||
        arrived != stream->sent)
        die("the count of what arrived");
    return NULL;
}

static void stream(const struct sockaddr_in *server, unsigned count, unsigned milliseconds)
{
    struct stream streams[STREAMS_MAX];
    uint64_t sent = 0;
    double begun = microseconds();
    double work = worked();

    for (unsigned i = 0; i < count; i++) {
        streams[i] = (struct stream){.server = server, .until = begun + milliseconds * 1e3};
        if (pthread_create(&streams[i].thread, NULL, send_stream, &streams[i]) != 0)
            die("thread");
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(streams[i].thread, NULL);
        sent += streams[i].sent;
    }
    printf("%.3f %.3f\n", (double)sent * 8 / (microseconds() - begun) / 1e3,
           (worked() - work) * 1e6 / (double)sent);
}

static unsigned number(const char *text, unsigned limit)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);

    errno = EINVAL;
    if (*text == '\0' || *end != '\0' || value == 0 || value > limit)
        die(text);
    return (unsigned)value;
}

static struct sockaddr_in address_of(const char *address, const char *port)
{
    struct sockaddr_in result = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)number(port, UINT16_MAX))};

    errno = EINVAL;
    if (inet_pton(AF_INET, address, &result.sin_addr) != 1)
        die(address);
    return result;
}

int main(int argc, char **argv)
{
    struct sockaddr_in server;

    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        server = address_of("0.0.0.0", argv[2]);
        serve(&server);
    }
    if (argc < 5) {
        fputs("Usage: traffic serve PORT | ask ADDRESS PORT COUNT | connect ADDRESS PORT COUNT |\n"
              "       stream ADDRESS PORT STREAMS MILLISECONDS\n",
              stderr);
        return 2;
    }
    server = address_of(argv[2], argv[3]);
    if (argc == 6 && strcmp(argv[1], "stream") == 0)
        stream(&server, number(argv[4], STREAMS_MAX), number(argv[5], UINT16_MAX));
    else if (argc == 5 && strcmp(argv[1], "connect") == 0)
        ask(&server, number(argv[4], COUNT_MAX), true);
    else if (argc == 5 && strcmp(argv[1], "ask") == 0)
        ask(&server, number(argv[4], COUNT_MAX), false);
    else {
        errno = EINVAL;
        die(argv[1]);
    }
    return 0;
}
