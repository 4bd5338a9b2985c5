/* SPDX-License-Identifier: Apache-2.0
 *
 * live HOOK BUNDLE NETWORK: sandboxes that live at the same time, attached by the real hook. For each number
 * that is read, so many more are made; each prints how many milliseconds its hook took, from exec to exit,
 * and the last is followed by "done". At the end of the input all of them are killed.
 *
 * A sandbox is what a runtime has when it calls the hook: new namespaces with an init that waits. Nothing of
 * it is written anywhere, so a thousand of them cost what Sallyport and the kernel make of them. */
#include "base/cleanup.h"
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIVE_MAX = 4000 };

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

static int make_state(pid_t init, const char *bundle, const char *network)
{
    char text[PATH_MAX + 256];
    int fd = memfd_create("state", MFD_CLOEXEC);

    snprintf(text, sizeof(text),
             "{\"ociVersion\": \"1.0.2\", \"id\": \"live-%u\", \"status\": \"creating\", \"pid\": %d, "
             "\"bundle\": \"%s\", \"annotations\": {\"io.sallyport.network\": \"%s\"}}",
             count, (int)init, bundle, network);
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

static void run_hook(const char *hook, int state)
{
    char *const arguments[] = {(char *)(uintptr_t) "sallyport-hook", NULL};
    char *const environment[] = {NULL};
    double begun = milliseconds();
    posix_spawn_file_actions_t actions;
    int status = 0;
    pid_t pid = 0;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, state, STDIN_FILENO);
    errno = posix_spawn(&pid, hook, &actions, NULL, arguments, environment);
    if (errno != 0 || waitpid(pid, &status, 0) != pid)
        die(hook);
    posix_spawn_file_actions_destroy(&actions);
    if (status != 0) {
        errno = ECANCELED;
        die("the hook refused");
    }
    printf("%.2f\n", milliseconds() - begun);
}

static void add_sandbox(char *const *arguments)
{
    cleanup_close int state = -1;

    if (count == LIVE_MAX) {
        errno = ENOSPC;
        die("sandboxes");
    }
    inits[count] = start_init();
    count++;
    state = make_state(inits[count - 1], arguments[2], arguments[3]);
    run_hook(arguments[1], state);
}

int main(int argc, char **argv)
{
    unsigned more = 0;

    if (argc != 4) {
        fputs("Usage: live HOOK BUNDLE NETWORK   (numbers on standard input)\n", stderr);
        return 2;
    }
    while (scanf("%u", &more) == 1) {
        for (unsigned i = 0; i < more; i++)
            add_sandbox(argv);
        puts("done");
        fflush(stdout);
    }
    end_all();
    return 0;
}
