/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/scene.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { SETTLE_MS = 10 * 1000, PICTURE_MAX = 256 * 1024 };

static const char *programs;

void scene_die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("faults: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

/* Files. */

static void write_file(const char *path, const char *text)
{
    cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0)
        scene_die("%s: %s", path, strerror(errno));
}

char *scene_read_fd(int fd)
{
    size_t size = 4096;
    size_t length = 0;
    char *text = NULL;
    ssize_t count = 0;

    do {
        length += (size_t)count;
        if (length + 1 >= size || text == NULL) {
            size *= 2;
            text = realloc(text, size);
            if (text == NULL)
                scene_die("no memory");
        }
        count = read(fd, text + length, size - length - 1);
    } while (count > 0);
    if (count < 0)
        scene_die("read: %s", strerror(errno));
    text[length] = '\0';
    return text;
}

char *scene_read(const char *path)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        scene_die("%s: %s", path, strerror(errno));
    return scene_read_fd(fd);
}

/* Programs. */

const char *scene_program(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", programs, name);
    return path;
}

/* Returns the status of waitpid(2). -1 is /dev/null, but for standard error. */
static int run_words(const char *path, const char *const words[], int input, int output)
{
    posix_spawn_file_actions_t actions;
    int status = 0;
    pid_t pid = 0;

    posix_spawn_file_actions_init(&actions);
    for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++) {
        int from = fd == STDIN_FILENO ? input : output;

        if (from >= 0)
            posix_spawn_file_actions_adddup2(&actions, from, fd);
        else
            posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    }
    errno = posix_spawn(&pid, path, &actions, NULL, (char **)(uintptr_t)words,
                        (char *[]){(char *)(uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL});
    posix_spawn_file_actions_destroy(&actions);
    if (errno != 0 || TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) != pid)
        scene_die("run %s: %s", path, strerror(errno));
    return status;
}

bool scene_try(const char *const words[], int input)
{
    return run_words(scene_program(words[0]), words, input, -1) == 0;
}

void scene_run(const char *const words[], int input)
{
    if (!scene_try(words, input))
        scene_die("%s %s failed", words[0], words[1] != NULL ? words[1] : "");
}

char *scene_shell(const char *command)
{
    const char *const words[] = {"bash", "-c", command, NULL};
    cleanup_close int output = memfd_create("output", MFD_CLOEXEC);

    if (output < 0 || !WIFEXITED(run_words("/bin/bash", words, -1, output)) ||
        lseek(output, 0, SEEK_SET) != 0)
        scene_die("run a command: %s", strerror(errno));
    return scene_read_fd(output);
}

/* Policies and bundles. */

#define AGENT(REACH) \
    "\"agent\": {\"addresses\": \"10.211.16.0/20\", \"reach\": [" REACH "], \"hosts\": [\"api.example\"]}"
#define GATEWAY "\"gateway\": {\"addresses\": \"10.211.0.3\", \"reach\": [\"proxy\"]}"
#define POLICY(SUBNET, PROXY, ROLES) \
    "{\"version\": 1, \"subnet\": \"" SUBNET "\", \"proxy\": " PROXY ", \"roles\": {" ROLES "}}"
#define AT_HOST "{\"address\": \"10.211.0.2\", \"port\": 3128, \"at\": \"host\"}"
#define POLICIES "/etc/sallyport/networks.d/"

static const char LESS[] = POLICY("10.211.0.0/16", AT_HOST, AGENT("\"proxy\"") ", " GATEWAY);
static const char MORE[] = POLICY("10.211.0.0/16", AT_HOST, AGENT("\"proxy\", \"gateway:80\"") ", " GATEWAY);
static const char MEMBERS[] =
    POLICY("10.212.0.0/24", "{\"address\": \"10.212.0.2\", \"port\": 3128, \"at\": \"member\"}",
           "\"agent\": {\"addresses\": \"10.212.0.64/26\", \"reach\": [\"proxy\"]}");

/* What a runtime wants is there, so that the same config serves the hook alone and runc. */
static const char CONFIG[] =
    "{\"ociVersion\": \"1.0.2\", \"annotations\": {\"io.sallyport.network\": \"%s\", \"io.sallyport.role\": "
    "\"%s\"}, \"process\": {\"args\": [\"/busybox\", \"sleep\", \"60\"], \"cwd\": \"/\", \"user\": {\"uid\": "
    "0, "
    "\"gid\": 0}, \"env\": [\"PATH=/\"], \"capabilities\": {\"bounding\": [\"CAP_KILL\"]}}, "
    "\"root\": {\"path\": \"" SCENE_DIRECTORY "/%s/rootfs\"}, \"mounts\": [{\"destination\": \"/proc\", "
    "\"type\": \"proc\", \"source\": \"proc\", \"options\": [\"nosuid\", \"noexec\", \"nodev\"]}], "
    "\"linux\": {\"cgroupsPath\": \"%s/faults\", \"resources\": {\"devices\": [{\"allow\": false, "
    "\"access\": "
    "\"rwm\"}]}, \"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"network\"}, {\"type\": \"mount\"}, "
    "{\"type\": \"ipc\"}], \"readonlyPaths\": [\"/proc/bus\", \"/proc/fs\", \"/proc/irq\", \"/proc/sys\", "
    "\"/proc/sysrq-trigger\"]}}";

void scene_change_policy(bool more)
{
    write_file(POLICIES SCENE_NETWORK ".json", more ? MORE : LESS);
}

static void make_bundle(const char *name, const char *network, const char *role)
{
    const char *cgroups = getenv("SALLYPORT_TEST_CGROUPS");
    char path[PATH_MAX];
    char config[2048];

    snprintf(path, sizeof(path), SCENE_DIRECTORY "/%s", name);
    if (mkdir(path, 0700) < 0)
        scene_die("%s: %s", path, strerror(errno));
    snprintf(path, sizeof(path), SCENE_DIRECTORY "/%s/rootfs", name);
    mkdir(path, 0755);
    snprintf(path, sizeof(path), SCENE_DIRECTORY "/%s/config.json", name);
    snprintf(config, sizeof(config), CONFIG, network, role, name, cgroups != NULL ? cgroups : "");
    write_file(path, config);
}

void scene_make_runnable(void)
{
    free(scene_shell("rm -rf " SCENE_DIRECTORY "/run"));
    make_bundle("run", SCENE_NETWORK, "agent");
    free(scene_shell("ln /etc/sallyport/faults/busybox " SCENE_DIRECTORY "/run/rootfs/busybox"));
}

void scene_set_up(const char *directory)
{
    programs = directory;
    /* Where policies are, an installation is: this is no machine of our own. */
    if (mkdir("/etc/sallyport", 0755) < 0)
        scene_die("run it by tests/faults/run: /etc/sallyport: %s", strerror(errno));
    if (mkdir(POLICIES, 0755) < 0 || mkdir(SCENE_DIRECTORY, 0700) < 0)
        scene_die("%s", strerror(errno));
    free(scene_shell("mkdir -p -m 700 /run/runc")); /* runc leaves it */
    free(scene_shell("cp /bin/busybox " SCENE_DIRECTORY "/busybox"));
    scene_change_policy(false);
    write_file(POLICIES SCENE_MEMBERS ".json", MEMBERS);
    make_bundle("plain", SCENE_NETWORK, "agent");
    make_bundle("edited", SCENE_NETWORK, "agent");
    make_bundle("fixed", SCENE_NETWORK, "gateway");
    make_bundle("proxy", SCENE_MEMBERS, "proxy");
    scene_run((const char *const[]){"sallyport", "bundle", SCENE_DIRECTORY "/edited", NULL}, -1);
}

/* The waiting process. */

void init_start(struct init *init)
{
    char path[64];
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        scene_die("pipe: %s", strerror(errno));
    init->pid = (pid_t)syscall(SYS_clone, CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | SIGCHLD,
                               NULL, NULL, NULL, NULL);
    if (init->pid < 0)
        scene_die("clone: %s", strerror(errno));
    if (init->pid == 0) {
        char byte = 0;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[1]);
        while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
            ;
        _exit(0);
    }
    close(ends[0]);
    init->hold = ends[1];
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)init->pid);
    init->netns = open(path, O_RDONLY | O_CLOEXEC);
    if (init->netns < 0)
        scene_die("%s: %s", path, strerror(errno));
}

bool init_is_held(const struct init *init)
{
    char path[64];
    cleanup_free char *text = NULL;
    const char *state = NULL;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)init->pid);
    text = scene_read(path);
    state = strrchr(text, ')');
    return state == NULL || state[2] == 't' || state[2] == 'T';
}

static void forget(struct init *init)
{
    close(init->hold);
    if (init->netns >= 0)
        close(init->netns);
    *init = (struct init){.netns = -1};
}

bool init_finish(struct init *init)
{
    int pidfd = (int)syscall(SYS_pidfd_open, init->pid, 0);
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    bool ended = false;
    int status = 0;

    if (pidfd < 0)
        scene_die("pidfd: %s", strerror(errno));
    ended = write(init->hold, "", 1) == 1 && TEMP_FAILURE_RETRY(poll(&wait, 1, SETTLE_MS)) == 1;
    close(pidfd);
    if (!ended)
        kill(init->pid, SIGKILL);
    waitpid(init->pid, &status, 0);
    forget(init);
    return ended && status == 0;
}

void init_kill(struct init *init)
{
    if (init->pid == 0)
        return;
    kill(init->pid, SIGKILL);
    waitpid(init->pid, NULL, 0);
    forget(init);
}

int scene_state(const char *id, const char *status, pid_t pid, const char *bundle)
{
    char text[1024];
    int fd = memfd_create("state", MFD_CLOEXEC);

    snprintf(text, sizeof(text),
             "{\"ociVersion\": \"1.0.2\", \"id\": \"%s\", \"status\": \"%s\", \"pid\": %d, "
             "\"bundle\": \"" SCENE_DIRECTORY "/%s\"}",
             id, status, (int)pid, bundle);
    if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) != 0)
        scene_die("state: %s", strerror(errno));
    return fd;
}

/* The picture. */

/* Lines of the kernel's own doing are left out: counters, and the link's number at the other end. */
static const char PICTURE[] =
    "namespace() { ip -o link show | sed 's/NO-CARRIER,//; s/ state [A-Z]*//; s/ qlen .*//'; ip -o address "
    "show; ip rule show; ip -6 rule show;"
    " ip route show table all; ip -6 route show table all; ip neigh show nud permanent; nft -s list ruleset "
    "| sed -E 's/flows-[0-9a-f]{8}/flows/'; "
    "}\n"
    "echo 'host'; namespace\n"
    "for hub in /run/netns/*; do [ -e \"$hub\" ] || continue; echo \"$hub\";"
    " nsenter --net=\"$hub\" sh -c \"$(declare -f namespace); namespace\" || echo none; done\n"
    "find /run /etc/sallyport -printf '%p %m %U %l\\n' | sort\n"
    "cut -d' ' -f4- /proc/self/mountinfo | sed 's/net:\\[[0-9]*\\]/net/' | sort\n"
    "processes=$(cat /proc/[0-9]*/comm)\n"
    "sort <<<\"$processes\"\n"
    "cd /proc/sys/net/ipv4/conf && grep . */forwarding */rp_filter */accept_local */route_localnet "
    "*/arp_ignore\n";

char *scene_picture(void)
{
    char *text = scene_shell(PICTURE);

    if (strlen(text) < 512)
        scene_die("the picture is empty: %s", text);
    return text;
}

static void print_missing(const char *sign, const char *text, const char *other)
{
    cleanup_free char *lines = strdup(text);
    char *rest = lines;
    char *line = NULL;

    while ((line = strsep(&rest, "\n")) != NULL)
        if (line[0] != '\0' && strstr(other, line) == NULL)
            printf("      %s %s\n", sign, line);
}

bool scene_settles(const char *picture)
{
    struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

    for (int waited = 0;; waited += 60) {
        cleanup_free char *now = scene_picture();

        if (strcmp(now, picture) == 0)
            return true;
        if (waited >= SETTLE_MS) {
            print_missing("-", picture, now);
            print_missing("+", now, picture);
            return false;
        }
        nanosleep(&pause, NULL);
    }
}
