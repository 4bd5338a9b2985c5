/* SPDX-License-Identifier: Apache-2.0
 *
 * Group "surfaces": what is shared with others and is no packet: sockets by name or by path, descriptors that
 * were left open, keys, and files that change the network or the host. Nothing is written; to be able to open
 * is enough. Where none is found, that is the answer: closed. */
#include "probe/battery.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    WALK_DEPTH = 5,
    WALK_FILES = 500000, /* a sandbox may show the whole file system of its host */
    WALK_LIMIT = 10,     /* seconds */
    DESCRIPTORS = 1024,
    DIRECTORIES_OPEN = 16,
};

static bool connects(const struct sockaddr_un *to, socklen_t length)
{
    static const int TYPES[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    bool connected = false;

    for (size_t i = 0; i < array_size(TYPES) && !connected; i++) {
        union {
            struct sockaddr any;
            struct sockaddr_un unix_domain;
        } address = {.unix_domain = *to};
        int fd = socket(AF_UNIX, TYPES[i] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        connected = fd >= 0 && connect(fd, &address.any, length) == 0;
        if (fd >= 0)
            close(fd);
    }
    return connected;
}

/* Sockets of the abstract name space belong to the network namespace: every other process in it has them too.
 */
static void run_abstract(const struct battery *battery, const void *data, struct answer *ret)
{
    FILE *file = fopen("/proc/net/unix", "re");
    char line[512];
    unsigned found = 0;
    (void)battery;
    (void)data;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        const char *name = strstr(line, " @");
        size_t length = 0;

        if (name == NULL)
            continue;
        length = strcspn(name + 2, "\n");
        if (length >= sizeof(to.sun_path))
            continue;
        memcpy(to.sun_path + 1, name + 2, length);
        found++;
        if (connects(&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length))) {
            answer_say(ret, SEEN_OPEN, "connected to @%.*s", (int)length, name + 2);
            fclose(file);
            return;
        }
    }
    if (file == NULL) {
        answer_say(ret, SEEN_IMPOSSIBLE, "/proc/net/unix: %s", strerrorname_np(errno));
        return;
    }
    fclose(file);
    answer_say(ret, SEEN_CLOSED, "%u listed, none answers", found);
}

/* nftw(3) has no argument for its callback. Each attempt is a process of its own. */
static struct {
    unsigned files;
    char path[BATTERY_TEXT_MAX];
} walk;

static int visit(const char *path, const struct stat *status, int type, struct FTW *position)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    if (type == FTW_D && (strcmp(path, "/proc") == 0 || strcmp(path, "/sys") == 0))
        return FTW_SKIP_SUBTREE;
    if (position->level > WALK_DEPTH)
        return FTW_SKIP_SIBLINGS;
    if (++walk.files > WALK_FILES)
        return FTW_STOP;
    if (type == FTW_DNR || type == FTW_NS || !S_ISSOCK(status->st_mode) ||
        strlen(path) >= sizeof(to.sun_path))
        return FTW_CONTINUE;
    memcpy(to.sun_path, path, strlen(path));
    if (!connects(&to, sizeof(to)))
        return FTW_CONTINUE;
    snprintf(walk.path, sizeof(walk.path), "%s", path);
    return FTW_STOP;
}

static void run_mounted(const struct battery *battery, const void *data, struct answer *ret)
{
    (void)battery;
    (void)data;
    nftw("/", visit, DIRECTORIES_OPEN, FTW_PHYS | FTW_ACTIONRETVAL);
    if (walk.path[0] != '\0')
        answer_say(ret, SEEN_OPEN, "connected to %.160s", walk.path);
    else if (walk.files > WALK_FILES)
        answer_say(ret, SEEN_FAILED, "more than %d files", WALK_FILES);
    else
        answer_say(ret, SEEN_CLOSED, "%u files seen, none is a socket that answers", walk.files);
}

/* What a descriptor that was inherited leads to, "" where that is nothing to us: sockets, namespaces, what
 * carries packets, and directories, which may be those of another root. */
static const char *descriptor_kind(int fd)
{
    static const char *const KINDS[] = {"/dev/net/tun", "anon_inode:[io_uring]", "anon_inode:bpf-"};
    static char target[BATTERY_TEXT_MAX];
    char link[32];
    struct stat status;
    struct statfs fs;
    ssize_t length = 0;

    if (fstat(fd, &status) < 0)
        return "";
    if (S_ISSOCK(status.st_mode))
        return "a socket";
    if (S_ISDIR(status.st_mode))
        return "a directory";
    if (fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC)
        return "a namespace";
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, target, sizeof(target) - 1);
    target[length > 0 ? length : 0] = '\0';
    for (size_t i = 0; i < array_size(KINDS); i++)
        if (strncmp(target, KINDS[i], strlen(KINDS[i])) == 0)
            return target;
    return "";
}

/* Standard input and outputs may be Unix sockets: that is how some engines read them. */
static bool is_engines(int fd)
{
    int family = 0;
    socklen_t length = sizeof(family);

    return fd <= STDERR_FILENO && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length) == 0 &&
           family == AF_UNIX;
}

static void run_descriptors(const struct battery *battery, const void *data, struct answer *ret)
{
    (void)battery;
    (void)data;
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        const char *kind = descriptor_kind(fd);

        if (kind[0] == '\0' || is_engines(fd))
            continue;
        answer_say(ret, SEEN_OPEN, "descriptor %d is %.64s", fd, kind);
        return;
    }
    answer_say(ret, SEEN_CLOSED, "none of the first %d leads anywhere", DESCRIPTORS);
}

/* The path of a file: closed is whatever refuses to open it for writing. */
static void run_writable(const struct battery *battery, const void *data, struct answer *ret)
{
    int fd = open(data, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    (void)battery;

    if (fd >= 0)
        answer_say(ret, SEEN_OPEN, "open for writing");
    else
        answer_say(ret, errno == ENXIO || errno == ENOENT ? SEEN_IMPOSSIBLE : SEEN_CLOSED, "%s",
                   strerrorname_np(errno));
    if (fd >= 0)
        close(fd);
}

/* In every cgroup hierarchy that is mounted, and in the directory itself, one where there is but one. */
static void run_cgroup(const struct battery *battery, const void *data, struct answer *ret)
{
    static const char ROOT[] = "/sys/fs/cgroup";
    const char *file = data;
    DIR *directory = opendir(ROOT);
    const struct dirent *entry = NULL;
    struct answer best = {.saw = SEEN_IMPOSSIBLE, .detail = "no cgroups are mounted"};
    char path[BATTERY_TEXT_MAX + sizeof(entry->d_name)];

    while (best.saw != SEEN_OPEN && directory != NULL && (entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s/%s", ROOT, entry->d_name, file);
        run_writable(battery, path, ret);
        answer_keep_best(&best, ret);
    }
    if (directory != NULL)
        closedir(directory);
    *ret = best;
}

/* Root's keyring is one for all containers without a user namespace, and for the host. A kernel without keys
 * says what a filter says, and is as closed. */
static void run_keyring(const struct battery *battery, const void *data, struct answer *ret)
{
    (void)battery;
    (void)data;
    answer_error(ret, syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1) < 0 ? errno : 0);
}

void battery_surfaces(struct battery *battery)
{
    static const struct attempt ATTEMPTS[] = {
        {.name = "abstract-sockets",
         .tried = "every abstract Unix socket that is listed",
         .run = run_abstract},
        {.name = "mounted-sockets",
         .tried = "every Unix socket in the file system",
         .run = run_mounted,
         .limit = WALK_LIMIT},
        {.name = "descriptors",
         .tried = "inherited sockets, namespaces, directories, devices of packets",
         .run = run_descriptors},
        {.name = "keyring", .tried = "the keyring of the user", .run = run_keyring},
        {.name = "cgroup", .tried = "cgroup.procs for writing", .run = run_cgroup, .data = "cgroup.procs"},
        {.name = "cgroup-release-agent",
         .tried = "release_agent for writing",
         .run = run_cgroup,
         .data = "release_agent"},
        {.name = "cgroup-devices",
         .tried = "devices.allow for writing",
         .run = run_cgroup,
         .data = "devices.allow"},
    };
    static const char *const FILES[] = {
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/net/ipv4/conf/all/accept_local",
        "/proc/sys/net/ipv4/conf/all/route_localnet",
        "/proc/sys/net/ipv4/ping_group_range",
        "/proc/sys/net/ipv6/conf/all/disable_ipv6",
        "/proc/sys/net/ipv6/conf/all/accept_ra",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
    };

    for (size_t i = 0; i < array_size(ATTEMPTS); i++)
        battery_try(battery, &ATTEMPTS[i]);
    for (size_t i = 0; i < array_size(FILES); i++)
        battery_try(battery, &(struct attempt){.name = strrchr(FILES[i], '/') + 1,
                                               .tried = FILES[i],
                                               .run = run_writable,
                                               .data = FILES[i]});
    battery_devices(battery);
}
