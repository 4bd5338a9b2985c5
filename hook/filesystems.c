/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/filesystems.h"

#include "base/cleanup.h"
#include "hook/config.h"
#include "hook/document.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>

/* Those that linux/magic.h does not have, or not in every version: fs/configfs/mount.c, ipc/mqueue.c,
 * fs/nfsd/nfsctl.c, net/sunrpc/rpc_pipe.c, fs/fuse/control.c, drivers/xen/xenfs/super.c. */
enum {
    CONFIGFS = 0x62656570,
    MQUEUE = 0x19800202,
    NFSD = 0x6e667364,
    RPC_PIPEFS = 0x67596969,
    FUSECTL = 0x65735543,
    XENFS = (int)0xabba1974,
};

/* A container has instances of its own of some of these; the host's lead to the files of other processes
 * (/proc/PID/root), to programs that the kernel runs on the host (core_pattern, uevent_helper,
 * release_agent, the interpreters of binfmt_misc), to registers of network cards (resource0), to terminals
 * and message queues of other programs, to other namespaces, or to what the host fetches from the network
 * because a name is looked up (autofs). Engines make volumes of any type. */
static const struct {
    long magic;
    const char *name;
} KERNEL[] = {
    {PROC_SUPER_MAGIC, "procfs"},
    {SYSFS_MAGIC, "sysfs"},
    {CGROUP_SUPER_MAGIC, "cgroup"},
    {CGROUP2_SUPER_MAGIC, "cgroup"},
    {DEBUGFS_MAGIC, "debugfs"},
    {TRACEFS_MAGIC, "tracefs"},
    {BPF_FS_MAGIC, "bpffs"},
    {SECURITYFS_MAGIC, "securityfs"},
    {CONFIGFS, "configfs"},
    {NSFS_MAGIC, "nsfs (a namespace)"},
    {BINFMTFS_MAGIC, "binfmt_misc"},
    {AUTOFS_SUPER_MAGIC, "autofs"},
    {DEVPTS_SUPER_MAGIC, "devpts"},
    {MQUEUE, "mqueue"},
    {EFIVARFS_MAGIC, "efivarfs"},
    {PSTOREFS_MAGIC, "pstore"},
    {SELINUX_MAGIC, "selinuxfs"},
    {SMACK_MAGIC, "smackfs"},
    {NFSD, "nfsd"},
    {RPC_PIPEFS, "rpc_pipefs"},
    {FUSECTL, "fusectl"},
    {XENFS, "xenfs"},
    {RDTGROUP_SUPER_MAGIC, "resctrl"},
};

/* What runc, crun, Docker, containerd and Podman mount, and what holds nothing but what the container puts
 * there. */
static const struct {
    const char *type;
    const char *place;     /* the only destination; NULL: any */
    bool below;            /* or a path below it */
    const char *namespace; /* read-only, unless the container has a new user namespace or a new one of this
                            * kind; NULL: any way */
} FRESH[] = {
    {"proc", "/proc", false, NULL}, /* elsewhere linux.readonlyPaths and maskedPaths do not cover it */
    {"sysfs", "/sys", false, "user"},
    {"cgroup", "/sys/fs/cgroup", true, "cgroup"},
    {"cgroup2", "/sys/fs/cgroup", true, "cgroup"},
    {"tmpfs", NULL, false, NULL},
    {"ramfs", NULL, false, NULL},
    {"devpts", NULL, false, NULL},
    {"mqueue", NULL, false, NULL},
    {"overlay", NULL, false, NULL}, /* its layers are judged: hook/surfaces.c */
};

const char *filesystems_kernel(long magic)
{
    for (size_t i = 0; i < array_size(KERNEL); i++)
        if ((unsigned)magic == (unsigned)KERNEL[i].magic)
            return KERNEL[i].name;
    return NULL;
}

static bool has_option(const json_t *mount, const char *wanted)
{
    const json_t *options = json_object_get(mount, "options");

    for (size_t i = 0; i < json_array_size(options); i++) {
        const char *option = json_string_value(json_array_get(options, i));

        if (option != NULL && strcmp(option, wanted) == 0)
            return true;
    }
    return false;
}

bool filesystems_is_bind(const json_t *mount)
{
    const char *type = json_string_value(json_object_get(mount, "type"));

    return (type != NULL && strcmp(type, "bind") == 0) || has_option(mount, "bind") ||
           has_option(mount, "rbind");
}

static bool has_any_option(const json_t *mount, const char *const *wanted)
{
    for (; *wanted != NULL; wanted++)
        if (has_option(mount, *wanted))
            return true;
    return false;
}

/* Later options win, so a single `rw` makes it doubtful. */
static bool is_read_only(const json_t *mount)
{
    return has_option(mount, "ro") && !has_option(mount, "rw");
}

static int refuse(const char *type, const char *destination, const char *why, struct error *err)
{
    error_set(err, 0, "the %s mount on %s %s", type, destination, why);
    return error_advise(err, "drop it");
}

/* Whether the destination is the place: no other spelling of it is in use. */
static bool is_at(const char *destination, const char *place, bool below)
{
    size_t length = strlen(place);

    if (strncmp(destination, place, length) != 0 || strstr(destination, "/..") != NULL)
        return false;
    return destination[length] == '\0' || strcmp(destination + length, "/") == 0 ||
           (below && destination[length] == '/');
}

/* Whether the container's root cannot write what of such a file system is the host's: he is nobody there, or
 * sees only what belongs to a new namespace. One that is joined may be the host's own. */
static bool is_harmless(const json_t *config, const char *namespace)
{
    const json_t *entry = config_namespace(config, namespace);
    const char *path = json_string_value(json_object_get(entry, "path"));

    if (config_has_user_namespace(config) && !config_maps_host_root(config))
        return true;
    return strcmp(namespace, "user") != 0 && entry != NULL && (path == NULL || path[0] == '\0');
}

static int check_fresh(const json_t *config, const json_t *mount, const char *type, const char *destination,
                       struct error *err)
{
    size_t i = 0;

    while (i < array_size(FRESH) && strcmp(FRESH[i].type, type) != 0)
        i++;
    if (i == array_size(FRESH))
        return refuse(type, destination, "is of a type that may lead out of the container", err);
    if (FRESH[i].place != NULL && !is_at(destination, FRESH[i].place, FRESH[i].below))
        return refuse(type, destination, "is not where its protection (linux.readonlyPaths) covers it", err);
    if (FRESH[i].namespace == NULL || is_read_only(mount) || is_harmless(config, FRESH[i].namespace))
        return 0;
    error_set(err, 0, "the %s mount on %s is writable, and the kernel runs on the host what it names", type,
              destination);
    return error_advise(err,
                        "add the option `ro` (with dockerd's userns-remap: drop --userns host; with Podman: "
                        "drop --cgroupns ns:...)");
}

int filesystems_check_propagation(const json_t *mount, struct error *err)
{
    static const char *const OPEN[] = {"shared", "rshared", "slave", "rslave", NULL};

    if (!has_any_option(mount, OPEN))
        return 0;
    error_set(err, 0, "the mount on %s takes over what is mounted on the host later",
              json_string_value(json_object_get(mount, "destination")));
    return error_advise(err, "drop bind-propagation (shared, slave, rshared, rslave), or make it rprivate");
}

int filesystems_make_private(json_t *config, struct error *err)
{
    static const char *const SAID[] = {"private", "rprivate", "unbindable", "runbindable", NULL};
    json_t *mounts = json_object_get(config, "mounts");

    for (size_t i = 0; i < json_array_size(mounts); i++) {
        json_t *mount = json_array_get(mounts, i);

        if (!filesystems_is_bind(mount) || has_any_option(mount, SAID))
            continue;
        if (json_array_append_new(document_array(mount, "options"), json_string("rprivate")) < 0)
            return error_set(err, ENOMEM, "make mounts private (options that are no array, or no memory)");
    }
    return 0;
}

int filesystems_check(const json_t *config, const json_t *mount, struct error *err)
{
    const char *type = json_string_value(json_object_get(mount, "type"));
    const char *destination = json_string_value(json_object_get(mount, "destination"));

    if (destination == NULL)
        return error_set(err, 0, "config.json: a mount has no destination");
    if (has_option(mount, "remount"))
        return refuse(type != NULL ? type : "(none)", destination, "changes one that is there already", err);
    if (filesystems_is_bind(mount))
        return 0;
    if (type == NULL)
        return error_set(err, 0, "config.json: the mount on %s has no type", destination);
    return check_fresh(config, mount, type, destination, err);
}
