/* SPDX-License-Identifier: Apache-2.0
 *
 * Injection into real processes: waiting, sleeping, stopped, with many threads, under a rain of signals,
 * dying, traced by somebody else. Each child says afterwards what it read and whether a raw socket opened;
 * the first test shows that one does open where nothing was injected. */
#include "base/cleanup.h"
#include "base/error.h"
#include "seccomp/seccomp.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

TestSuite(inject, .timeout = 300);

static const struct seccomp_options plain;

struct report {
    char text[8];  /* what the child read from its pipe */
    int raw_errno; /* of a raw socket, 0 if it opened */
    int tcp_errno;
    long signals;
    long milliseconds;
    unsigned threads_open; /* threads that could open a raw socket */
};

struct child {
    pid_t pid;
    int pidfd;
    int to;   /* the child reads its text here */
    int from; /* and reports here */
};

/* --- in the child --- */

static int in = -1;
static int out = -1;

static int socket_errno(int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static void finish(struct report *report)
{
    report->raw_errno = socket_errno(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    report->tcp_errno = socket_errno(AF_INET, SOCK_STREAM, 0);
    _exit(write(out, report, sizeof(*report)) == sizeof(*report) ? 0 : 1);
}

static void read_text(struct report *report)
{
    if (read(in, report->text, sizeof(report->text)) < 0)
        snprintf(report->text, sizeof(report->text), "E%d", errno);
}

static void body_read(void)
{
    struct report report = {0};

    read_text(&report);
    finish(&report);
}

/* --- in the test --- */

static struct child start(void (*body)(void))
{
    int to[2];
    int from[2];
    struct child child = {0};

    cr_assert_eq(pipe2(to, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(from, O_CLOEXEC), 0);
    child.pid = fork();
    cr_assert_geq(child.pid, 0);
    if (child.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(to[1]);
        close(from[0]);
        in = to[0];
        out = from[1];
        body();
        _exit(1);
    }
    close(to[0]);
    close(from[1]);
    child.to = to[1];
    child.from = from[0];
    child.pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
    cr_assert_geq(child.pidfd, 0);
    return child;
}

/* What the kernel says the main thread is doing: number, arguments, stack and instruction pointers. */
static void read_proc(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    cleanup_file FILE *file = NULL;
    size_t n = 0;

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    file = fopen(path, "re");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    n = fread(text, 1, size - 1, file);
    text[n] = '\0';
}

static long status_number(pid_t pid, const char *key)
{
    char text[8192];
    const char *found = NULL;

    read_proc(pid, "status", text, sizeof(text));
    found = strstr(text, key);
    cr_assert_not_null(found);
    return strtol(found + strlen(key), NULL, 10);
}

/* Waits until the child's main thread is blocked in the system call. */
static void wait_until_in(const struct child *child, long number)
{
    char text[256];

    do {
        sched_yield();
        read_proc(child->pid, "syscall", text, sizeof(text));
    } while (strncmp(text, "running", 7) == 0 || strtol(text, NULL, 10) != number);
}

struct outcome {
    int result;
    struct error err;
};

/* Injects from a process of its own that, like a hook, is not the target's parent. */
static int inject_as(pid_t pid, int pidfd, struct error *err)
{
    struct outcome outcome = {0};
    int answer[2];
    pid_t hook = -1;

    cr_assert_eq(pipe2(answer, O_CLOEXEC), 0);
    hook = fork();
    if (hook == 0) {
        outcome.result = seccomp_inject(pid, pidfd, seccomp_filter(&plain), &outcome.err);
        _exit(write(answer[1], &outcome, sizeof(outcome)) != sizeof(outcome));
    }
    close(answer[1]);
    cr_assert_eq(read(answer[0], &outcome, sizeof(outcome)), (ssize_t)sizeof(outcome));
    cr_assert_eq(waitpid(hook, NULL, 0), hook);
    close(answer[0]);
    *err = outcome.err;
    return outcome.result;
}

static int inject(const struct child *child, struct error *err)
{
    return inject_as(child->pid, child->pidfd, err);
}

static struct report collect(struct child *child)
{
    struct report report = {0};
    int status = 0;

    cr_assert_eq(write(child->to, "hello", 6), 6);
    cr_assert_eq(read(child->from, &report, sizeof(report)), (ssize_t)sizeof(report), "the child died");
    cr_assert_eq(waitpid(child->pid, &status, 0), child->pid);
    cr_assert_eq(status, 0);
    close(child->to);
    close(child->from);
    close(child->pidfd);
    return report;
}

static void expect_filtered(const struct report *report)
{
    cr_expect_eq(report->raw_errno, EPERM);
    cr_expect_eq(report->tcp_errno, 0);
}

/* The child was killed: an init is never left half done. */
static void expect_killed(struct child *child)
{
    int status = 0;

    cr_assert_eq(waitpid(child->pid, &status, 0), child->pid);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x", status);
    close(child->to);
    close(child->from);
    close(child->pidfd);
}

Test(inject, control_raw_socket_opens_without_injection)
{
    struct child child = start(body_read);
    struct report report;

    wait_until_in(&child, SYS_read);
    report = collect(&child);
    cr_expect_eq(report.raw_errno, 0, "this test needs root: %s", strerror(report.raw_errno));
    cr_expect_str_eq(report.text, "hello");
}

Test(inject, blocked_read_continues_where_it_was)
{
    char before[256];
    char after[256];
    char maps_before[16384];
    char maps_after[16384];
    struct child child = start(body_read);
    struct error err = {0};
    struct report report;

    wait_until_in(&child, SYS_read);
    read_proc(child.pid, "syscall", before, sizeof(before));
    read_proc(child.pid, "maps", maps_before, sizeof(maps_before));
    cr_assert_eq(inject(&child, &err), 0, "%s", err.text);
    cr_expect_eq(status_number(child.pid, "\nSeccomp:"), 2);
    cr_expect_eq(status_number(child.pid, "\nTracerPid:"), 0);
    wait_until_in(&child, SYS_read);
    read_proc(child.pid, "syscall", after, sizeof(after));
    read_proc(child.pid, "maps", maps_after, sizeof(maps_after));
    cr_expect_str_eq(after, before);
    cr_expect_str_eq(maps_after, maps_before);
    report = collect(&child);
    expect_filtered(&report);
    cr_expect_str_eq(report.text, "hello");
}

static long elapsed_milliseconds(const struct timespec *since)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

/* A relative sleep restarts through restart_syscall(2), not through its own number. */
static void body_sleep(void)
{
    struct report report = {0};
    const struct timespec duration = {.tv_nsec = 500 * 1000 * 1000};
    struct timespec since;

    clock_gettime(CLOCK_MONOTONIC, &since);
    if (nanosleep(&duration, NULL) != 0)
        _exit(1);
    report.milliseconds = elapsed_milliseconds(&since);
    read_text(&report);
    finish(&report);
}

Test(inject, sleep_is_not_cut_short)
{
    struct child child = start(body_sleep);
    struct error err = {0};
    struct report report;

    wait_until_in(&child, SYS_clock_nanosleep);
    cr_assert_eq(inject(&child, &err), 0, "%s", err.text);
    report = collect(&child);
    expect_filtered(&report);
    cr_expect(report.milliseconds >= 499, "%ld ms", report.milliseconds);
}

/* Threads that read, sleep on a futex and spin, as in a Go program. */
enum { THREADS = 9 };

static int gate[2];
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static volatile int released;

static void *thread_body(void *index)
{
    char c = 0;

    switch ((intptr_t)index % 3) {
    case 0:
        if (read(gate[0], &c, 1) != 1)
            return (void *)1;
        break;
    case 1:
        pthread_mutex_lock(&held);
        pthread_mutex_unlock(&held);
        break;
    default:
        while (!released)
            continue;
        break;
    }
    return (void *)(intptr_t)(socket_errno(AF_INET, SOCK_RAW, IPPROTO_ICMP) != EPERM);
}

static void body_threads(void)
{
    pthread_t threads[THREADS];
    struct report report = {0};

    if (pipe(gate) < 0)
        _exit(1);
    pthread_mutex_lock(&held);
    for (intptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, thread_body, (void *)i) != 0)
            _exit(1);
    read_text(&report);
    released = 1;
    pthread_mutex_unlock(&held);
    if (write(gate[1], "xxxxxxxxx", THREADS) != THREADS)
        _exit(1);
    for (unsigned i = 0; i < THREADS; i++) {
        void *opened = NULL;

        pthread_join(threads[i], &opened);
        report.threads_open += opened != NULL;
    }
    finish(&report);
}

Test(inject, every_thread_gets_the_filter)
{
    struct child child = start(body_threads);
    struct error err = {0};
    struct report report;

    wait_until_in(&child, SYS_read);
    cr_assert_eq(inject(&child, &err), 0, "%s", err.text);
    report = collect(&child);
    expect_filtered(&report);
    cr_expect_eq(report.threads_open, 0);
    cr_expect_str_eq(report.text, "hello");
}

Test(inject, control_threads_open_raw_sockets_without_injection)
{
    struct child child = start(body_threads);
    struct report report;

    wait_until_in(&child, SYS_read);
    report = collect(&child);
    cr_expect_eq(report.threads_open, THREADS);
}

/* A thread with a filter of its own: TSYNC returns its id, which is not 0 and not negative. */
static void *diverging_thread(void *unused)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = 1, .filter = &allow};

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 && write(gate[1], "x", 1) == 1)
        pause();
    return unused;
}

static void body_diverging(void)
{
    pthread_t thread;
    struct report report = {0};
    char c = 0;

    if (pipe(gate) < 0 || pthread_create(&thread, NULL, diverging_thread, NULL) != 0 ||
        read(gate[0], &c, 1) != 1)
        _exit(1);
    read_text(&report);
    finish(&report);
}

static void wait_until_reading_input(const struct child *child)
{
    char text[256];
    unsigned long fd = 0;

    /* `in` is the lowest descriptor that start() leaves open in the child: the gate has higher ones. */
    do {
        wait_until_in(child, SYS_read);
        read_proc(child->pid, "syscall", text, sizeof(text));
        fd = strtoul(text + 2, NULL, 16);
    } while ((int)fd >= child->to);
}

Test(inject, thread_with_other_filters_is_an_error)
{
    struct child child = start(body_diverging);
    struct error err = {0};

    wait_until_reading_input(&child);
    cr_expect_lt(inject(&child, &err), 0);
    cr_expect_not_null(strstr(err.text, "has a filter of its own"), "%s", err.text);
    expect_killed(&child);
}

/* No CAP_SYS_ADMIN and no no_new_privs: seccomp(2) refuses. */
static void body_unprivileged(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};

    if (syscall(SYS_capset, &header, none) < 0)
        _exit(1);
    body_read();
}

Test(inject, process_that_may_not_is_an_error)
{
    struct child child = start(body_unprivileged);
    struct error err = {0};

    wait_until_in(&child, SYS_read);
    cr_expect_eq(inject(&child, &err), -EACCES);
    cr_expect_not_null(strstr(err.text, "neither CAP_SYS_ADMIN nor no_new_privs"), "%s", err.text);
    expect_killed(&child);
}

static void body_user_namespace(void)
{
    if (unshare(CLONE_NEWUSER) < 0)
        _exit(1);
    body_read();
}

Test(inject, init_in_a_user_namespace)
{
    struct child child = start(body_user_namespace);
    struct error err = {0};
    struct report report;

    wait_until_in(&child, SYS_read);
    cr_assert_eq(inject(&child, &err), 0, "%s", err.text);
    report = collect(&child);
    expect_filtered(&report);
}

/* --- signals --- */

static volatile sig_atomic_t handled;

static void count_signal(int number)
{
    (void)number;
    handled++;
}

static void body_signals(void)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
    struct report report = {0};

    if (sigaction(SIGRTMIN, &action, NULL) < 0 || write(out, "r", 1) != 1)
        _exit(1);
    read_text(&report);
    report.signals = handled;
    finish(&report);
}

enum { SIGNALS = 2000 };

Test(inject, signals_meanwhile_are_all_delivered)
{
    struct child child = start(body_signals);
    struct error err = {0};
    struct report report;
    pid_t sender = -1;
    char c = 0;

    cr_assert_eq(read(child.from, &c, 1), 1);
    wait_until_in(&child, SYS_read);
    sender = fork();
    if (sender == 0) {
        for (unsigned i = 0; i < SIGNALS; i++)
            while (sigqueue(child.pid, SIGRTMIN, (union sigval){0}) < 0 && errno == EAGAIN)
                sched_yield();
        _exit(0);
    }
    cr_assert_eq(inject(&child, &err), 0, "%s", err.text);
    cr_assert_eq(waitpid(sender, NULL, 0), sender);
    report = collect(&child);
    expect_filtered(&report);
    cr_expect_str_eq(report.text, "hello");
    cr_expect_eq(report.signals, SIGNALS);
}

static char state_of(pid_t pid)
{
    char text[512];

    read_proc(pid, "stat", text, sizeof(text));
    return strrchr(text, ')')[2];
}

Test(inject, stopped_process_stays_stopped)
{
    struct child child = start(body_read);
    struct error err = {0};
    struct report report;

    wait_until_in(&child, SYS_read);
    cr_assert_eq(kill(child.pid, SIGSTOP), 0);
    while (state_of(child.pid) != 'T')
        sched_yield();
    cr_assert_eq(inject(&child, &err), 0, "%s", err.text);
    while (state_of(child.pid) != 'T')
        sched_yield();
    cr_assert_eq(kill(child.pid, SIGCONT), 0);
    report = collect(&child);
    expect_filtered(&report);
    cr_expect_str_eq(report.text, "hello");
}

/* --- processes that do not play along --- */

static void body_spin(void)
{
    struct report report = {0};

    while (!released)
        continue;
    read_text(&report);
    finish(&report);
}

static void release_spinner(int number)
{
    (void)number;
    released = 1;
}

static void body_spin_until_signal(void)
{
    struct sigaction action = {.sa_handler = release_spinner};

    if (sigaction(SIGUSR1, &action, NULL) < 0 || write(out, "r", 1) != 1)
        _exit(1);
    body_spin();
}

Test(inject, spinning_process_is_refused_and_left_alone)
{
    struct child child = start(body_spin_until_signal);
    struct error err = {0};
    struct report report;
    char c = 0;

    cr_assert_eq(read(child.from, &c, 1), 1);
    cr_expect_eq(inject(&child, &err), -ETIMEDOUT);
    cr_expect_not_null(strstr(err.text, "made no system call within 5 s"), "%s", err.text);
    cr_expect_eq(status_number(child.pid, "\nTracerPid:"), 0);
    cr_assert_eq(kill(child.pid, SIGUSR1), 0);
    report = collect(&child);
    cr_expect_eq(report.raw_errno, 0);
    cr_expect_str_eq(report.text, "hello");
}

/* The first call that is injected kills the process. */
static void body_dies_at_mmap(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = array_size(code), .filter = code};

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        _exit(1);
    body_read();
}

Test(inject, process_that_dies_midway_is_an_error)
{
    struct child child = start(body_dies_at_mmap);
    struct error err = {0};

    wait_until_in(&child, SYS_read);
    cr_expect_eq(inject(&child, &err), -ESRCH);
    cr_expect_not_null(strstr(err.text, "died while it was traced"), "%s", err.text);
}

Test(inject, killed_at_any_moment_never_hangs)
{
    for (unsigned i = 0; i < 100; i++) {
        struct child child = start(body_read);
        struct error err = {0};
        pid_t killer = -1;
        int result = 0;

        wait_until_in(&child, SYS_read);
        killer = fork();
        if (killer == 0) {
            const struct timespec delay = {.tv_nsec = i * 5000L};

            nanosleep(&delay, NULL);
            _exit(kill(child.pid, SIGKILL) < 0);
        }
        result = inject(&child, &err);
        cr_expect(result == 0 || err.text[0] != '\0');
        waitpid(killer, NULL, 0);
        expect_killed(&child);
    }
}

Test(inject, traced_by_another_says_by_whom)
{
    struct child child = start(body_read);
    struct error err = {0};
    char expected[64];
    int ready[2];
    pid_t tracer = -1;
    char c = 0;

    wait_until_in(&child, SYS_read);
    cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
    tracer = fork();
    if (tracer == 0) {
        if (ptrace(PTRACE_SEIZE, child.pid, NULL, NULL) < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    cr_assert_eq(read(ready[0], &c, 1), 1);
    snprintf(expected, sizeof(expected), "process %d already traces it", tracer);
    cr_expect_eq(inject(&child, &err), -EPERM);
    cr_expect_not_null(strstr(err.text, expected), "%s", err.text);
    kill(tracer, SIGKILL);
    waitpid(tracer, NULL, 0);
    cr_expect_eq(collect(&child).raw_errno, 0);
}

Test(inject, pidfd_of_another_process_is_refused)
{
    struct child child = start(body_read);
    struct child other = start(body_read);
    struct error err = {0};

    wait_until_in(&child, SYS_read);
    cr_expect_eq(inject_as(child.pid, other.pidfd, &err), -ESRCH);
    cr_expect_not_null(strstr(err.text, "not the process that was checked"), "%s", err.text);
    cr_expect_eq(collect(&child).raw_errno, 0);
    cr_expect_eq(collect(&other).raw_errno, 0);
}

Test(inject, dead_process_is_an_error)
{
    struct child child = start(body_read);
    struct error err = {0};

    cr_assert_eq(kill(child.pid, SIGKILL), 0);
    cr_assert_eq(waitid(P_PID, (id_t)child.pid, NULL, WEXITED | WNOWAIT), 0);
    cr_expect_lt(inject(&child, &err), 0);
    cr_expect_neq(err.text[0], '\0');
    expect_killed(&child);
}

static void body_ignored_sigchld_child(void)
{
    struct child child;
    struct error err = {0};

    signal(SIGCHLD, SIG_IGN);
    child = start(body_read);
    wait_until_in(&child, SYS_read);
    if (seccomp_inject(child.pid, child.pidfd, seccomp_filter(&plain), &err) < 0 ||
        signal(SIGCHLD, SIG_DFL) != SIG_IGN)
        _exit(1);
    _exit(write(child.to, "x", 1) == 1 ? 0 : 1);
}

/* A hook may inherit an ignored SIGCHLD; then the kernel sends none. It must work, and be put back. */
Test(inject, works_with_sigchld_ignored)
{
    struct child child = start(body_ignored_sigchld_child);
    int status = 0;

    cr_assert_eq(waitpid(child.pid, &status, 0), child.pid);
    cr_expect_eq(status, 0);
}
