/* SPDX-License-Identifier: Apache-2.0
 *
 * calls COUNT: how many nanoseconds an allowed system call takes under the filters that this process has, on
 * one line: socket (of TCP, with its close), getppid, read (of one byte of /dev/zero). The loop around them
 * is counted too: it is the same under every filter. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { GOES = 20 };

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static double nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void open_and_close(int zero)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)zero;
    if (fd < 0 || close(fd) < 0)
        die("socket");
}

static void get_parent(int zero)
{
    (void)zero;
    if (syscall(SYS_getppid) < 0)
        die("getppid");
}

static void read_byte(int zero)
{
    char byte = 0;

    if (read(zero, &byte, 1) != 1)
        die("read");
}

/* Of the fastest of some goes: whatever slows one down is not the filter's. */
static double time_of(void (*call)(int), int zero, long count)
{
    double best = 0;

    for (int go = 0; go < GOES; go++) {
        double begun = nanoseconds();
        double each = 0;

        for (long i = 0; i < count; i++)
            call(zero);
        each = (nanoseconds() - begun) / (double)count;
        if (go == 0 || each < best)
            best = each;
    }
    return best;
}

int main(int argc, char **argv)
{
    long count = argc == 2 ? atol(argv[1]) / GOES : 0;
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    if (count < 1) {
        fputs("Usage: calls COUNT\n", stderr);
        return 2;
    }
    if (zero < 0)
        die("/dev/zero");
    printf("%.1f", time_of(open_and_close, zero, count / 10 + 1));
    printf(" %.1f", time_of(get_parent, zero, count));
    printf(" %.1f\n", time_of(read_byte, zero, count));
    return 0;
}
