/* SPDX-License-Identifier: Apache-2.0
 *
 * clock FILE COMMAND [ARGUMENT...]: runs the command and writes to FILE how many microseconds passed between
 * its start and its end, which a shell could not tell as exactly. Ends with the command's exit status. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(125);
}

static double microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double worked(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e6 +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    struct rusage usage;
    FILE *file = NULL;
    double begun = 0;
    double elapsed = 0;
    int status = 0;
    pid_t pid = 0;

    if (argc < 3) {
        fputs("Usage: clock FILE COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    file = fopen(argv[1], "we");
    if (file == NULL)
        die(argv[1]);
    begun = microseconds();
    errno = posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ);
    if (errno != 0 || wait4(pid, &status, 0, &usage) != pid)
        die(argv[2]);
    elapsed = microseconds() - begun;
    if (fprintf(file, "%.1f %.0f\n", elapsed, worked(&usage)) < 0 || fclose(file) != 0)
        die(argv[1]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 124;
}
