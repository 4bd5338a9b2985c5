/* SPDX-License-Identifier: Apache-2.0
 *
 * Attempts that make a file of their own first: a program with capabilities, and a device. Both are tried in
 * every place where a container may be able to write, because mount options differ. No file outlives its
 * attempt. */
#include "probe/battery.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { PLACE_MAX = 64, NOBODY = 65534 };

/* `run` returns whether a file could be made there at all. Refused is what is refused in every such place. */
static void run_in_places(const void *data, struct answer *ret,
                          bool (*run)(const char *place, const void *data, struct answer *ret))
{
    static const char *const PLACES[] = {"/tmp", "/var/tmp", "/dev/shm", "/dev", "/run", "/root", ""};
    struct answer first = {0};
    bool made = false;

    for (size_t i = 0; i < array_size(PLACES); i++) {
        bool here = run(PLACES[i], data, ret);

        if (here && ret->saw != SEEN_CLOSED)
            return;
        if (i == 0 || (here && !made))
            first = *ret;
        made = made || here;
    }
    *ret = first;
}

/* Files with capabilities. */

static bool copy_self(int to)
{
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat status;
    bool copied = from >= 0 && fstat(from, &status) == 0 &&
                  sendfile(to, from, NULL, (size_t)status.st_size) == status.st_size;

    if (from >= 0)
        close(from);
    return copied;
}

/* The capability as a program would have it after "setcap CAPABILITY+ep". Returns 0 or an errno value. */
static int set_capability(int fd, unsigned capability)
{
    struct vfs_cap_data data = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE};

    data.data[CAP_TO_INDEX(capability)].permitted = CAP_TO_MASK(capability);
    return fsetxattr(fd, "security.capability", &data, sizeof(data), 0) < 0 ? errno : 0;
}

/* A copy of this program with the capability, without a name, ready to be executed. Returns a descriptor, or
 * says why there is none and returns -1. */
static int make_program(const char *place, unsigned capability, struct answer *ret)
{
    char path[PLACE_MAX];
    int program = -1;
    int error = 0;
    int fd = 0;

    snprintf(path, sizeof(path), "%s/probe-XXXXXX", place);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        answer_say(ret, SEEN_CLOSED, "%s/: %s", place, strerrorname_np(errno));
        return -1;
    }
    if (!copy_self(fd)) {
        answer_say(ret, SEEN_CLOSED, "%s/: no room for a program", place);
    } else {
        error = fchmod(fd, 0755) < 0 ? errno : set_capability(fd, capability);
        if (error != 0)
            answer_error(ret, error);
        else
            program = open(path, O_RDONLY | O_CLOEXEC);
    }
    unlink(path);
    close(fd); /* what is open for writing is not executed */
    return program;
}

/* As somebody who has none: what root may have, it has by being executed. Does not return. */
static void execute(int program, unsigned capability, struct answer *ret)
{
    char number[16];
    char name[] = "probe";
    char command[] = "capability";
    char *const arguments[] = {name, command, number, NULL};
    char *const environment[] = {NULL};

    snprintf(number, sizeof(number), "%u", capability);
    if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
        answer_say(ret, SEEN_CLOSED, "nobody: %s", strerrorname_np(errno));
    close(STDOUT_FILENO);
    fexecve(program, arguments, environment);
    answer_say(ret, SEEN_CLOSED, "execute: %s", strerrorname_np(errno));
    _exit(PROBE_USAGE);
}

static bool run_program(const char *place, const void *data, struct answer *ret)
{
    const unsigned *capability = data;
    int program = make_program(place, *capability, ret);
    int status = 0;
    pid_t child = program < 0 ? -1 : fork();

    if (child == 0)
        execute(program, *capability, ret);
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return false;
    if (WEXITSTATUS(status) == PROBE_OK)
        answer_say(ret, SEEN_OPEN, "%s/: the program has it", place);
    else if (WEXITSTATUS(status) == PROBE_FAILED)
        answer_say(ret, SEEN_CLOSED, "%s/: the program runs without it", place);
    return true;
}

static void run_capability(const struct battery *battery, const void *data, struct answer *ret)
{
    (void)battery;
    run_in_places(data, ret, run_program);
}

void battery_file_capability(struct battery *battery, const char *capability, unsigned number)
{
    char name[64];
    char tried[96];

    snprintf(name, sizeof(name), "%s-file", capability);
    snprintf(tried, sizeof(tried), "executing a file that has the capability %s", capability);
    battery_try(battery,
                &(struct attempt){.name = name, .tried = tried, .run = run_capability, .data = &number});
}

/* Devices. */

struct device {
    const char *name;
    mode_t type;
    dev_t number;
    int (*use)(int fd); /* what makes it worth something, where that is more than to open it; may be NULL */
};

/* runc before 1.2 lets everybody open it. A link it makes goes with the descriptor. */
static int make_tun(int fd)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};

    return ioctl(fd, TUNSETIFF, &request) < 0 ? errno : 0;
}

static bool run_node(const char *place, const void *data, struct answer *ret)
{
    const struct device *device = data;
    char path[PLACE_MAX];
    int error = 0;
    int fd = -1;

    snprintf(path, sizeof(path), "%s/probe-%d", place, getpid());
    if (mknod(path, device->type | 0600, device->number) < 0) {
        answer_say(ret, SEEN_CLOSED, "mknod in %s/: %s", place, strerrorname_np(errno));
        return false;
    }
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    error = fd < 0 ? errno : 0;
    if (error == 0 && device->use != NULL)
        error = device->use(fd);
    if (error == 0)
        answer_say(ret, SEEN_OPEN, "opened in %s/", place);
    else
        answer_say(ret, error == ENXIO || error == ENODEV ? SEEN_IMPOSSIBLE : SEEN_CLOSED, "%s in %s/: %s",
                   fd < 0 ? "open" : "use", place, strerrorname_np(error));
    unlink(path);
    if (fd >= 0)
        close(fd);
    return true;
}

static void run_device(const struct battery *battery, const void *data, struct answer *ret)
{
    (void)battery;
    run_in_places(data, ret, run_node);
}

static void try_device(struct battery *battery, const struct device *device)
{
    char name[32];
    char tried[64];

    snprintf(name, sizeof(name), "device-%s", device->name);
    snprintf(tried, sizeof(tried), "mknod of %s %u:%u, and opening it",
             device->type == S_IFCHR ? "character device" : "disk", major(device->number),
             minor(device->number));
    battery_try(battery, &(struct attempt){.name = name, .tried = tried, .run = run_device, .data = device});
}

/* The machine's first disk, whose name every container may read. */
static bool find_disk(dev_t *ret)
{
    FILE *file = fopen("/proc/partitions", "re");
    unsigned numbers[2] = {0};
    char line[256];
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
        found = sscanf(line, "%u %u", &numbers[0], &numbers[1]) == 2;
    if (file != NULL)
        fclose(file);
    *ret = makedev(numbers[0], numbers[1]);
    return found;
}

/* The number of a device that gets one when its driver is loaded. */
static bool find_misc(const char *name, dev_t *ret)
{
    FILE *file = fopen("/proc/misc", "re");
    char line[256];
    char found[64] = "";
    unsigned number = 0;

    while (file != NULL && strcmp(found, name) != 0 && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "%u %63s", &number, found) != 2)
            found[0] = '\0';
    if (file != NULL)
        fclose(file);
    *ret = makedev(10, number);
    return strcmp(found, name) == 0;
}

void battery_devices(struct battery *battery)
{
    /* Documentation/admin-guide/devices.txt of the kernel. */
    const struct device devices[] = {
        {"mem", S_IFCHR, makedev(1, 1), NULL},
        {"port", S_IFCHR, makedev(1, 4), NULL},
        {"tun", S_IFCHR, makedev(10, 200), make_tun},
        {"vhost-net", S_IFCHR, makedev(10, 238), NULL},
        {"vhost-vsock", S_IFCHR, makedev(10, 241), NULL},
    };
    struct device disk = {"disk", S_IFBLK, 0, NULL};
    struct device vsock = {"vsock", S_IFCHR, 0, NULL};

    for (size_t i = 0; i < array_size(devices); i++)
        try_device(battery, &devices[i]);
    if (find_disk(&disk.number))
        try_device(battery, &disk);
    else
        battery_impossible(battery, "device-disk", "mknod of a disk", "no disk is listed");
    if (find_misc("vsock", &vsock.number))
        try_device(battery, &vsock);
    else
        battery_impossible(battery, "device-vsock", "mknod of /dev/vsock", "the kernel has none");
}
