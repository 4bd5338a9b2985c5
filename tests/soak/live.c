/* SPDX-License-Identifier: Apache-2.0
 *
 * live HOOK BUNDLE NETWORK [AT-ONCE]: sandboxes that live at the same time, attached by the real hook. For
 * each number that is read, so many more are made, one after another or so many at once; each prints how many
 * milliseconds its hook took, from exec to exit, and how many a processor worked for it, and the last is
 * followed by "done". At the end of the input all of them are killed.
 *
 * A sandbox is what a runtime has when it calls the hook: new namespaces with an init that waits. Nothing of
 * it is written anywhere, so a thousand of them cost what Sallyport and the kernel make of them. */
#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIVE_MAX = 4000, AT_ONCE_MAX = 64 };

/* An attach under way. */
struct attach {
    int state;
    pid_t hook;
    double begun;
};

static pid_t inits[LIVE_MAX];
static unsigned count;

static void end_all(void)
{
    for (unsigned i = 0; i < count; i++)
        kill(inits[i], SIGKILL);
    for (unsigned i = 0; i < count; i++)
        waitpid(inits[i], NULL, 0);
}

static _Noreturn void die(const char *what)
{
    perror(what);
    end_all();
    exit(1);
}

static pid_t start_init(void)
{
    const int flags = CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | SIGCHLD;
    pid_t pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);

    if (pid == 0) {
        if (close_range(STDERR_FILENO + 1, ~0U, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    if (pid < 0)
        die("clone");
    return pid;
}

/* The id has our own in it: several of us may be members of one network. */
static int make_state(pid_t init, const char *bundle, const char *network)
{
    char text[PATH_MAX + 256];
    int fd = memfd_create("state", MFD_CLOEXEC);

    snprintf(text, sizeof(text),
             "{\"ociVersion\": \"1.0.2\", \"id\": \"live-%d-%u\", \"status\": \"creating\", \"pid\": %d, "
             "\"bundle\": \"%s\", \"annotations\": {\"io.sallyport.network\": \"%s\"}}",
             (int)getpid(), count, (int)init, bundle, network);
    if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) != 0)
        die("state");
    return fd;
}

static double milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double worked(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e3 +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e3;
}

static void start_hook(const char *hook, struct attach *attach)
{
    char *const arguments[] = {(char *)(uintptr_t) "sallyport-hook", NULL};
    char *const environment[] = {NULL};
    posix_spawn_file_actions_t actions;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, attach->state, STDIN_FILENO);
    attach->begun = milliseconds();
    errno = posix_spawn(&attach->hook, hook, &actions, NULL, arguments, environment);
    if (errno != 0)
        die(hook);
    posix_spawn_file_actions_destroy(&actions);
}

static void wait_for_hook(struct attach *attaches, unsigned number)
{
    struct rusage usage;
    int status = 0;
    pid_t pid = wait4(-1, &status, 0, &usage);

    for (unsigned i = 0; i < number; i++)
        if (attaches[i].hook == pid && status == 0) {
            printf("%.3f %.3f\n", milliseconds() - attaches[i].begun, worked(&usage));
            return;
        }
    errno = ECANCELED;
    die("the hook refused, or an init died");
}

/* The inits wait before the first hook starts. */
static void add_sandboxes(char *const *arguments, unsigned number)
{
    struct attach attaches[AT_ONCE_MAX];

    if (count + number > LIVE_MAX) {
        errno = ENOSPC;
        die("sandboxes");
    }
    for (unsigned i = 0; i < number; i++) {
        inits[count++] = start_init();
        attaches[i].state = make_state(inits[count - 1], arguments[2], arguments[3]);
    }
    for (unsigned i = 0; i < number; i++)
        start_hook(arguments[1], &attaches[i]);
    for (unsigned i = 0; i < number; i++)
        wait_for_hook(attaches, number);
    for (unsigned i = 0; i < number; i++)
        close(attaches[i].state);
}

int main(int argc, char **argv)
{
    unsigned at_once = argc == 5 ? (unsigned)atoi(argv[4]) : 1;
    unsigned more = 0;

    if (argc < 4 || argc > 5 || at_once < 1 || at_once > AT_ONCE_MAX) {
        fputs("Usage: live HOOK BUNDLE NETWORK [AT-ONCE]   (numbers on standard input)\n", stderr);
        return 2;
    }
    while (scanf("%u", &more) == 1) {
        for (; more > 0; more -= more < at_once ? more : at_once)
            add_sandboxes(argv, more < at_once ? more : at_once);
        puts("done");
        fflush(stdout);
    }
    end_all();
    return 0;
}
