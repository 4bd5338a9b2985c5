/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/pin.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/rootless.h"
#include "netns/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#define PIN_PREFIX "sallyport-"

enum {
    LOCK_WAIT_S = 30,
    DIRECTORY_LOCK_WAIT_S = 5,
    LOCK_POLL_MS = 2,
    LOCK_ATTEMPTS = 16, /* when the lock file is replaced under our hands */
};

/* Both without the slash: below a root directory, ours or the first process's. */
static const char *pin_directory(void)
{
    static char path[64];

    if (!rootless())
        return "run/netns";
    snprintf(path, sizeof(path), "%s/sallyport/netns", rootless_runtime_directory());
    return path;
}

static const char *state_directory(void)
{
    static char path[64];

    if (!rootless())
        return "run/sallyport";
    snprintf(path, sizeof(path), "%s/sallyport", rootless_runtime_directory());
    return path;
}

/* The places of the first process (pid 1, without root the one that keeps Podman's namespaces) where it lives
 * in another mount namespace than we, opened at the first use: later in its life a hook has given up the
 * capability that looking at it takes. */
struct first {
    bool known;
    int root;   /* its file tree, for everything but mounting; "/" of our own where it is not elsewhere */
    int mounts; /* its mount namespace, -1 where it is not elsewhere */
};

/* The directory of that process in /proc. Podman writes down the number of its own, which has none of the
 * user's programs in it; where there is none, -1: then ours is the only mount namespace there is. */
static int open_first_process(void)
{
    cleanup_file FILE *file = NULL;
    char path[96];
    unsigned pid = 1;

    if (rootless()) {
        snprintf(path, sizeof(path), "/%s/libpod/tmp/pause.pid", rootless_runtime_directory());
        file = fopen(path, "re");
        if (file == NULL || fscanf(file, "%u", &pid) != 1)
            return -1;
    }
    snprintf(path, sizeof(path), "/proc/%u", pid);
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool is_elsewhere(int mounts)
{
    struct stat first;
    struct stat own;

    return fstat(mounts, &first) == 0 && stat("/proc/self/ns/mnt", &own) == 0 && !file_same(&first, &own);
}

static const struct first *find_first(void)
{
    static struct first first = {.root = -1, .mounts = -1};
    cleanup_close int process = -1;

    if (first.known)
        return &first;
    process = open_first_process();
    first.mounts = openat(process, "ns/mnt", O_RDONLY | O_CLOEXEC);
    if (first.mounts >= 0 && is_elsewhere(first.mounts))
        first.root = openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (first.root < 0) {
        if (first.mounts >= 0)
            close(first.mounts);
        first.mounts = -1;
        first.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    first.known = true;
    return &first;
}

/* Not to know is an error, never "no": who finds no hub makes another one in its place. */
static int is_namespace(int fd, bool *ret, struct error *err)
{
    struct statfs file_system;
    int type = 0;

    if (fstatfs(fd, &file_system) < 0)
        return error_set(err, errno, "look at a network namespace");
    if (file_system.f_type == NSFS_MAGIC)
        type = ioctl(fd, NS_GET_NSTYPE);
    if (type < 0)
        return error_set(err, errno, "ask for the kind of a namespace");
    *ret = type == CLONE_NEWNET;
    return 0;
}

/* Whether the path is a plain file: what pin_set makes before it binds, and what a crash leaves. Its mode is
 * 0, so that root without CAP_DAC_OVERRIDE (the hook) cannot open it. */
static bool is_leftover(int root, const char *path)
{
    cleanup_close int fd = openat(root, path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    struct statfs file_system;

    return fd >= 0 && fstatfs(fd, &file_system) == 0 && file_system.f_type != NSFS_MAGIC;
}

/* Opens what is bound to the path below the directory. */
static int open_pin(int root, const char *path, struct error *err)
{
    cleanup_close int fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool is_one = false;
    int result = 0;

    if (fd < 0 && errno == EACCES && is_leftover(root, path))
        return error_set(err, ENOENT, "open /%s: not a network namespace", path);
    if (fd < 0 && errno == ELOOP) {
        error_set(err, ELOOP, "open /%s", path);
        return error_advise(err, "remove that link, which is none of Sallyport's");
    }
    if (fd < 0)
        return error_set(err, errno, "open /%s", path);
    result = is_namespace(fd, &is_one, err);
    if (result < 0)
        return result;
    return is_one ? take_fd(&fd) : error_set(err, ENOENT, "open /%s: not a network namespace", path);
}

static void make_path(char path[NAME_MAX], const char *network)
{
    snprintf(path, NAME_MAX, "%s/" PIN_PREFIX "%s", pin_directory(), network);
}

int pin_open(const char *network, struct error *err)
{
    char path[NAME_MAX];

    make_path(path, network);
    return open_pin(find_first()->root, path, err);
}

/* Moves to where mounts are made, and to its root directory. */
static int enter_first(struct error *err)
{
    int mounts = find_first()->mounts;

    if (mounts >= 0 && setns(mounts, CLONE_NEWNS) < 0)
        return error_set(err, errno, "enter the first process's mount namespace");
    return chdir("/") == 0 ? 0 : error_set(err, errno, "change to /");
}

static bool before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* A bounded wait: who holds the lock and never lets go must not hang every container start for ever.
 * `operation`: LOCK_EX or LOCK_SH. `path` stands in messages. */
static int wait_for_lock(int fd, int operation, unsigned seconds, const char *path, struct error *err)
{
    struct timespec deadline;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += seconds;
    while (flock(fd, operation | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_set(err, errno, "lock /%s", path);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (!before(&now, &deadline)) {
            error_set(err, ETIMEDOUT, "lock /%s: another process has held it for %u s", path, seconds);
            return error_advise(err, "find that process (lslocks) and end it");
        }
        poll(NULL, 0, LOCK_POLL_MS);
    }
    return 0;
}

/* Binds /run/netns to itself, under the lock that ip(8) takes for that as well, so that it is done once. The
 * directory is open to everybody, and who can open it can lock it: hence a shorter wait than for our own
 * lock, which the caller holds. */
static int bind_directory(struct error *err)
{
    cleanup_close int directory = open(pin_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int result = 0;

    if (directory < 0)
        return error_set(err, errno, "open /%s", pin_directory());
    result = wait_for_lock(directory, LOCK_EX, DIRECTORY_LOCK_WAIT_S, pin_directory(), err);
    if (result < 0)
        return result;
    if (mount("", pin_directory(), "none", MS_SHARED | MS_REC, NULL) == 0)
        return 0; /* somebody else did meanwhile */
    if (mount(pin_directory(), pin_directory(), "none", MS_BIND | MS_REC, NULL) < 0)
        return error_set(err, errno, "bind /%s", pin_directory());
    if (mount("", pin_directory(), "none", MS_SHARED | MS_REC, NULL) < 0)
        return error_set(err, errno, "share the mount /%s", pin_directory());
    return 0;
}

/* Makes /run/netns a shared mount of its own, as `ip netns add` does: a namespace that is bound or unbound
 * there is so for everybody who has a copy of the mount. Where it is one already, nobody's lock is asked for.
 */
static int prepare_directory(struct error *err)
{
    if (mkdir(pin_directory(), 0755) < 0 && errno != EEXIST)
        return error_set(err, errno, "make /%s", pin_directory());
    if (mount("", pin_directory(), "none", MS_SHARED | MS_REC, NULL) == 0)
        return 0;
    return errno == EINVAL ? bind_directory(err)
                           : error_set(err, errno, "share the mount /%s", pin_directory());
}

/* Something that is neither a hub nor what a crash leaves: somebody has put it there. */
static int refuse_leftover(const char *path, struct error *err)
{
    int number = errno;

    error_set(err, number, "remove the leftover /%s", path);
    return error_advise(err, number == EBUSY ? "unmount what is mounted there" : "remove it by hand");
}

int pin_set(const char *network, struct error *err)
{
    char path[NAME_MAX];
    cleanup_close int old = -1;
    cleanup_close int file = -1;
    int result = enter_first(err);

    if (result == 0)
        result = prepare_directory(err);
    if (result < 0)
        return result;
    make_path(path, network);
    old = open_pin(AT_FDCWD, path, err);
    if (old >= 0)
        return error_set(err, EEXIST, "bind /%s", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return refuse_leftover(path, err);
    file = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0);
    if (file < 0)
        return error_set(err, errno, "make /%s", path);
    if (mount("/proc/self/ns/net", path, "none", MS_BIND, NULL) < 0) {
        result = error_set(err, errno, "bind /%s", path);
        unlink(path);
    }
    return result;
}

static int remove_pin(void *data, struct error *err)
{
    char path[NAME_MAX];
    int result = enter_first(err);

    if (result < 0)
        return result;
    make_path(path, data);
    while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
        ; /* until nothing is stacked there */
    if (errno != EINVAL && errno != ENOENT)
        return error_set(err, errno, "unmount /%s", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return refuse_leftover(path, err);
    return 0;
}

int pin_remove(const char *network, struct error *err)
{
    return child_run(remove_pin, (void *)(uintptr_t)network, err);
}

static int open_directory(DIR **ret, struct error *err)
{
    cleanup_close int fd = openat(find_first()->root, pin_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return error_set(err, errno, "open /%s", pin_directory());
    *ret = fdopendir(fd);
    if (*ret == NULL)
        return error_set(err, errno, "open /%s", pin_directory());
    take_fd(&fd);
    return 0;
}

int pin_each(int (*each)(const char *network, void *data), void *data, struct error *err)
{
    cleanup_directory DIR *directory = NULL;
    const struct dirent *entry = NULL;
    int result = open_directory(&directory, err);

    if (directory == NULL)
        return result == -ENOENT ? 0 : result;
    while ((entry = readdir(directory)) != NULL) {
        const char *network = entry->d_name + strlen(PIN_PREFIX);
        cleanup_close int fd = -1;
        struct error none;

        if (strncmp(entry->d_name, PIN_PREFIX, strlen(PIN_PREFIX)) != 0 || !policy_name_valid(network))
            continue;
        fd = pin_open(network, &none);
        result = fd < 0 ? 0 : each(network, data);
        if (result < 0)
            return result;
    }
    return 0;
}

static int refuse_state(struct error *err)
{
    if (errno != ENOENT)
        return error_set(err, errno, "make /%s", state_directory());
    error_set(err, 0, "make /%s: there is no directory above it", state_directory());
    return error_advise(err,
                        rootless() ? "log in by systemd-logind, or run `loginctl enable-linger`" : "make it");
}

/* Opens the directory of the lock, made if it is not there: for its owner alone, since who can open the lock
 * can hold it. */
static int open_state(struct error *err)
{
    int root = find_first()->root;
    cleanup_close int directory = -1;
    struct stat status;

    if (mkdirat(root, state_directory(), 0700) < 0 && errno != EEXIST)
        return refuse_state(err);
    directory = openat(root, state_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (directory < 0 || fstat(directory, &status) < 0)
        return error_set(err, errno, "open /%s", state_directory());
    if (status.st_uid != geteuid()) {
        error_set(err, 0, "use /%s: it belongs to uid %u", state_directory(), (unsigned)status.st_uid);
        return error_advise(err, "remove it");
    }
    if ((status.st_mode & 077) != 0 && fchmod(directory, 0700) < 0)
        return error_set(err, errno, "change the mode of /%s", state_directory());
    return take_fd(&directory);
}

/* Whether the locked file is still the one that others will find. */
static bool is_current(int directory, int fd)
{
    struct stat named;
    struct stat held;

    return fstat(fd, &held) == 0 && fstatat(directory, "lock", &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           file_same(&held, &named);
}

static int refuse_lock(struct error *err)
{
    int number = errno;

    error_set(err, number, "open /%s/lock", state_directory());
    return number == ENOSPC ? error_advise(err, "make room in /run") : -number;
}

int pin_lock(bool exclusive, struct error *err)
{
    char path[NAME_MAX];

    snprintf(path, sizeof(path), "%s/lock", state_directory());
    for (int i = 0; i < LOCK_ATTEMPTS; i++) {
        cleanup_close int directory = open_state(err);
        cleanup_close int fd = -1;
        int result = directory;

        if (result == -ENOENT) /* removed between its making and its opening */
            continue;
        if (result < 0)
            return result;
        fd = openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0)
            return refuse_lock(err);
        result = wait_for_lock(fd, exclusive ? LOCK_EX : LOCK_SH, LOCK_WAIT_S, path, err);
        if (result < 0)
            return result;
        if (is_current(directory, fd))
            return take_fd(&fd);
    }
    return error_set(err, EAGAIN, "lock /%s/lock: it is being replaced all the time", state_directory());
}
