/* SPDX-License-Identifier: Apache-2.0
 *
 * How long an attach takes: the whole hook process, exec to exit, beside a floor program that makes the same
 * kernel objects and nothing else, beside an empty program of the floor's linkage. The three are interleaved,
 * each run against a fresh waiting init in new namespaces, so that whatever the machine does it does to all
 * of them.
 *
 * Everything happens in a private mount and network namespace with a policy of its own. Where the hub is
 * pinned in the mount namespace of process 1, run it as `tests/engines/machine BUILD/tests/bench/attach` to
 * keep it out of there, too. */
#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { COUNT_DEFAULT = 200, COUNT_MAX = 2000 };

static const char NETWORK[] = "spbench";
static const char POLICY[] =
    "{\"version\": 1, \"subnet\": \"10.211.0.0/16\", "
    "\"proxy\": {\"address\": \"10.211.0.2\", \"port\": 3128, \"at\": \"host\"}, "
    "\"roles\": {\"agent\": {\"addresses\": \"10.211.16.0/20\", \"reach\": [\"proxy\"], "
    "\"hosts\": [\"api.example\"]}}}";
static const char CONFIG[] =
    "{\"ociVersion\": \"1.0.2\", \"annotations\": {\"io.sallyport.network\": \"spbench\"}, \"process\": "
    "{\"args\": [\"sh\"], \"cwd\": \"/\", \"env\": [\"PATH=/bin\"], "
    "\"capabilities\": {\"bounding\": [\"CAP_KILL\"]}}, \"root\": {\"path\": \"rootfs\"}, \"linux\": "
    "{\"namespaces\": "
    "[{\"type\": \"pid\"}, {\"type\": \"network\"}, {\"type\": \"mount\"}, {\"type\": \"ipc\"}]}}";

enum program { HOOK, HOOK_INJECT, FLOOR, EMPTY, STEPS, STEPS_INJECT, PROGRAMS };
static const char *const NAMES[] = {
    "hook, profile in the config",
    "hook, filter injected",
    "floor",
    "empty process",
};

enum { STEPS_MAX = 16 };
struct step {
    char name[48];
    double samples[COUNT_MAX];
};
static struct step steps[2][STEPS_MAX]; /* with the profile in the config, and injected */
static size_t steps_count[2];

static double samples[PROGRAMS][COUNT_MAX];        /* microseconds */
static char directory[PATH_MAX];                   /* where the programs are */
static const char work[] = "/etc/sallyport/bench"; /* in the private file system that set_up makes */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void write_file(const char *path, const char *text)
{
    cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0)
        die(path);
}

/* A process in new namespaces that waits, as an init waits for its runtime: in a read of a pipe. */
static pid_t start_init(int *ret_pipe)
{
    int ends[2];
    pid_t pid = 0;

    if (pipe2(ends, O_CLOEXEC) < 0)
        die("pipe");
    pid = (pid_t)syscall(SYS_clone, CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | SIGCHLD, NULL,
                         NULL, NULL, NULL);
    if (pid < 0)
        die("clone");
    if (pid == 0) {
        char byte = 0;

        close(ends[1]);
        while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
            ;
        _exit(0);
    }
    close(ends[0]);
    *ret_pipe = ends[1];
    return pid;
}

static int make_state(pid_t init, int round, const char *bundle)
{
    char text[PATH_MAX + 256];
    int fd = memfd_create("state", MFD_CLOEXEC);

    snprintf(text, sizeof(text),
             "{\"ociVersion\": \"1.0.2\", \"id\": \"bench-%d-%d\", \"status\": \"creating\", \"pid\": %d, "
             "\"bundle\": "
             "\"%s\", \"annotations\": {\"io.sallyport.network\": \"%s\"}}",
             (int)getpid(), round, (int)init, bundle, NETWORK);
    if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) != 0)
        die("state");
    return fd;
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* Runs a program with `input` and `output` as its standard input and output (-1: ours). Returns microseconds
 * from exec to exit. */
static double run_program(const char *name, char *const arguments[], int input, int output)
{
    char path[PATH_MAX + 64];
    posix_spawn_file_actions_t actions;
    double start = 0;
    double end = 0;
    int status = 0;
    pid_t pid = 0;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    posix_spawn_file_actions_init(&actions);
    if (input >= 0)
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    start = now();
    errno = posix_spawn(&pid, path, &actions, NULL, arguments, (char *[]){NULL});
    if (errno != 0)
        die(path);
    if (waitpid(pid, &status, 0) != pid)
        die("waitpid");
    end = now();
    posix_spawn_file_actions_destroy(&actions);
    if (status != 0) {
        fprintf(stderr, "%s failed (status %d)\n", path, status);
        exit(1);
    }
    return end - start;
}

/* The program with a clock between its steps; what it prints goes to steps[kind]. */
static double run_steps(int kind, int round, int state)
{
    int output = memfd_create("steps", MFD_CLOEXEC);
    double elapsed = run_program("tests/bench/steps", (char *[]){(char *)"steps", NULL}, state, output);
    cleanup_file FILE *lines = fdopen(output, "r");
    size_t count = 0;

    if (lines == NULL || fseek(lines, 0, SEEK_SET) < 0)
        die("read the steps");
    while (count < STEPS_MAX &&
           fscanf(lines, "%lf %47[^\n]", &steps[kind][count].samples[round], steps[kind][count].name) == 2)
        count++;
    steps_count[kind] = count;
    return elapsed;
}

static double run_once(enum program program, int round)
{
    char bundle[PATH_MAX];
    char pid_text[16];
    char round_text[16];
    cleanup_close int state = -1;
    int hold = -1;
    pid_t init = start_init(&hold);
    double elapsed = 0;

    snprintf(bundle, sizeof(bundle), "%s/%s", work, program == HOOK || program == STEPS ? "edited" : "plain");
    snprintf(pid_text, sizeof(pid_text), "%d", (int)init);
    snprintf(round_text, sizeof(round_text), "%d", round);
    state = make_state(init, round * PROGRAMS + (int)program, bundle);
    if (program == FLOOR)
        elapsed = run_program(
            "tests/bench/floor",
            (char *[]){(char *)"floor", pid_text, (char *)(uintptr_t)NETWORK, round_text, NULL}, -1, -1);
    else if (program == EMPTY)
        elapsed = run_program("tests/bench/floor", (char *[]){(char *)"floor", NULL}, -1, -1);
    else if (program == STEPS || program == STEPS_INJECT)
        elapsed = run_steps(program == STEPS ? 0 : 1, round, state);
    else
        elapsed = run_program("sallyport-hook", (char *[]){(char *)"sallyport-hook", NULL}, state, -1);
    kill(init, SIGKILL);
    waitpid(init, NULL, 0);
    close(hold);
    return elapsed;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void report_steps(int kind, int count)
{
    printf("\n| step (%s) | median us | p95 us |\n|---|---|---|\n",
           kind == 0 ? "profile in the config" : "filter injected");
    for (size_t i = 0; i < steps_count[kind]; i++) {
        double *step = steps[kind][i].samples;

        qsort(step, (size_t)count, sizeof(double), compare);
        printf("| %s | %.0f | %.0f |\n", steps[kind][i].name, step[count / 2], step[count * 95 / 100]);
    }
}

static void report(int count)
{
    double floor_median = 0;

    for (int program = 0; program < PROGRAMS; program++)
        qsort(samples[program], (size_t)count, sizeof(double), compare);
    floor_median = samples[FLOOR][count / 2];
    printf("%d attaches each, interleaved\n\n| program | median us | p95 us | against the floor "
           "|\n|---|---|---|---|\n",
           count);
    for (int program = 0; program < STEPS; program++)
        printf("| %s | %.0f | %.0f | %.2f |\n", NAMES[program], samples[program][count / 2],
               samples[program][count * 95 / 100], samples[program][count / 2] / floor_median);
}

static void make_bundle(const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", work, name);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/%s/rootfs", work, name);
    mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/%s/config.json", work, name);
    write_file(path, CONFIG);
}

static void set_up(void)
{
    char bundle[PATH_MAX];

    if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        die("make namespaces for the benchmark (root is needed)");
    mkdir("/etc/sallyport", 0755);
    if (mount("tmpfs", "/etc/sallyport", "tmpfs", 0, "mode=755") < 0 || mkdir(work, 0700) < 0)
        die("prepare the benchmark");
    mkdir("/etc/sallyport/networks.d", 0755);
    write_file("/etc/sallyport/networks.d/spbench.json", POLICY);
    make_bundle("plain");
    make_bundle("edited");
    snprintf(bundle, sizeof(bundle), "%s/edited", work);
    run_program("sallyport",
                (char *[]){(char *)"sallyport", (char *)"bundle", (char *)"--network",
                           (char *)(uintptr_t)NETWORK, bundle, NULL},
                -1, -1);
    run_program(
        "sallyport",
        (char *[]){(char *)"sallyport", (char *)"network", (char *)"up", (char *)(uintptr_t)NETWORK, NULL},
        -1, -1);
}

static void tear_down(void)
{
    run_program(
        "sallyport",
        (char *[]){(char *)"sallyport", (char *)"network", (char *)"down", (char *)(uintptr_t)NETWORK, NULL},
        -1, -1);
}

/* The build directory: two above this program. */
static void find_programs(void)
{
    ssize_t length = readlink("/proc/self/exe", directory, sizeof(directory) - 1);

    if (length < 0)
        die("find the programs");
    directory[length] = '\0';
    for (int i = 0; i < 3; i++)
        *strrchr(directory, '/') = '\0';
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : COUNT_DEFAULT;

    if (argc > 2 || count < 10 || count > COUNT_MAX) {
        fprintf(stderr, "Usage: attach [COUNT]   (10 to %d attaches of each program, default %d)\n",
                COUNT_MAX, COUNT_DEFAULT);
        return 1;
    }
    find_programs();
    set_up();
    for (int round = 0; round < count; round++)
        for (int program = 0; program < PROGRAMS; program++)
            samples[program][round] = run_once((enum program)program, round);
    tear_down();
    report(count);
    report_steps(0, count);
    report_steps(1, count);
    return 0;
}
