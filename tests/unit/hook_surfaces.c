/* SPDX-License-Identifier: Apache-2.0
 *
 * Ways out that are not packets, with real sockets, real nodes and real mounts. Each test works in a private
 * mount namespace with a /run of its own, so that nothing depends on what runs on this machine, and nothing
 * stays. */
#include "base/cleanup.h"
#include "hook/devices.h"
#include "hook/document.h"
#include "hook/surfaces.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#define WORK "/run/work" /* where a test makes what it needs */

static int bundle = -1;

static void make_directory(const char *path)
{
    cr_assert_eq(mkdir(path, 0755), 0, "%s", path);
}

static void bind_mount(const char *source, const char *target, unsigned long flags)
{
    make_directory(target);
    cr_assert_eq(mount(source, target, NULL, MS_BIND | flags, NULL), 0, "%s on %s", source, target);
}

/* A Unix socket that is bound, and stays open for the life of the test. */
static void bind_socket(const char *path)
{
    union {
        struct sockaddr any;
        struct sockaddr_un unix_address;
    } address = {.unix_address = {.sun_family = AF_UNIX}};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_lt(strlen(path), sizeof(address.unix_address.sun_path));
    strcpy(address.unix_address.sun_path, path);
    cr_assert_eq(bind(fd, &address.any, sizeof(address.unix_address)), 0, "%s", path);
}

static void set_up(void)
{
    cr_assert_eq(unshare(CLONE_NEWNS), 0);
    cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    cr_assert_eq(mount("tmpfs", "/run", "tmpfs", 0, "mode=755"), 0);
    make_directory(WORK);
    make_directory(WORK "/bundle");
    make_directory(WORK "/bundle/rootfs");
    bundle = open(WORK "/bundle", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(bundle, 0);
}

TestSuite(surfaces, .init = set_up);

static int check_text(const char *text, const char *const *sockets, size_t count, struct error *err)
{
    struct policy_role role = {.name = "agent", .sockets = (char **)sockets, .sockets_count = count};
    json_t *config = NULL;
    int result = document_parse(text, strlen(text), "test", &config, err);

    cr_assert_eq(result, 0, "%s: %s", text, err->text);
    result = surfaces_check(config, bundle, &role, err);
    json_decref(config);
    return result;
}

static int check_mount_of(const char *source, const char *const *sockets, size_t count, struct error *err)
{
    char text[1024];

    snprintf(text, sizeof(text),
             "{\"root\":{\"path\":\"rootfs\"},\"mounts\":[{\"destination\":\"/"
             "x\",\"type\":\"bind\",\"source\":\"%s\","
             "\"options\":[\"rbind\",\"ro\"]}]}",
             source);
    return check_text(text, sockets, count, err);
}

static void allowed(const char *source)
{
    struct error err = {0};

    cr_assert_eq(check_mount_of(source, NULL, 0, &err), 0, "%s: %s", source, err.text);
}

/* Refused, with a line that has `reason`, names the mount, and says what to do. */
static void refused(const char *source, const char *reason)
{
    struct error err = {0};

    cr_assert_lt(check_mount_of(source, NULL, 0, &err), 0, "accepted: %s", source);
    cr_assert_not_null(strstr(err.text, reason), "%s: %s", source, err.text);
    cr_assert_not_null(strstr(err.text, source), "%s: %s", source, err.text);
    cr_assert_not_null(strstr(err.text, "; "), "no advice: %s", err.text);
}

Test(surfaces, plain_files_and_directories_are_allowed)
{
    cleanup_close int fd = open(WORK "/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    cr_assert_geq(fd, 0);
    make_directory(WORK "/data");
    cr_assert_eq(symlink("data", WORK "/link"), 0);
    cr_assert_eq(mkfifo(WORK "/pipe", 0600), 0);
    allowed(WORK "/file");
    allowed(WORK "/data");
    allowed(WORK "/link");
    allowed(WORK "/pipe");
    allowed("rootfs"); /* relative to the bundle */
    allowed("/usr/lib");
    allowed("/etc/hostname");
    allowed("/dev/null");
    allowed("/dev/shm");
}

/* None of them runs here: the directory is refused for what will appear in it. */
Test(surfaces, directories_above_an_engine)
{
    static const char *const ABOVE[] = {"/",
                                        "/run",
                                        "/run/",
                                        "/run/.",
                                        "/run/work/..",
                                        "/var/run",
                                        "/proc/1/../../run",
                                        "/tmp",
                                        "/run/user",
                                        "/run/user/1000",
                                        "/run/docker",
                                        "/run/containerd",
                                        "/run/podman",
                                        "/run/systemd",
                                        "/run/dbus",
                                        "/run/systemd/resolve"};
    static const char *const MADE[] = {"/run/user",    "/run/user/1000",  "/run/user/1000/doc",
                                       "/run/docker",  "/run/containerd", "/run/podman",
                                       "/run/systemd", "/run/dbus",       "/run/systemd/resolve"};

    for (size_t i = 0; i < array_size(MADE); i++)
        make_directory(MADE[i]);
    for (size_t i = 0; i < array_size(ABOVE); i++)
        refused(ABOVE[i], "a way out of the network");
    allowed("/run/user/1000/doc");
}

Test(surfaces, other_spellings_of_run)
{
    cr_assert_eq(symlink("/run", WORK "/link"), 0);
    cr_assert_eq(symlink("link", WORK "/link2"), 0);
    bind_mount("/run", WORK "/alias", 0);
    refused(WORK "/link", "/run/");
    refused(WORK "/link2", "/run/");
    refused(WORK "/alias", "/run/");
    refused("../../../run", "/run/");
}

/* A recursive bind mount takes along what is mounted below. */
Test(surfaces, mounts_below_a_mount)
{
    make_directory(WORK "/plain");
    make_directory(WORK "/plain/sub");
    bind_mount("/run", WORK "/plainer", 0);
    allowed(WORK "/plain");
    bind_mount("/run", WORK "/plain/sub/a b", 0);
    refused(WORK "/plain", "/plain/sub/a b");
    refused(WORK "/plain/sub", "/plain/sub/a b");
    cr_assert_eq(umount(WORK "/plain/sub/a b"), 0);
    allowed(WORK "/plain");
    bind_mount("/proc", WORK "/plain/sub/proc", MS_REC);
    refused(WORK "/plain", "procfs");
}

Test(surfaces, sockets)
{
    static const char *const LISTED[] = {WORK "/data/s.sock"};
    static const char *const BY_LINK[] = {WORK "/link.sock"};
    static const char *const OTHER[] = {WORK "/data/t.sock", WORK "/nothing"};
    struct error err = {0};

    make_directory(WORK "/data");
    make_directory(WORK "/data/deep");
    make_directory(WORK "/beside");
    allowed(WORK "/data");
    bind_socket(WORK "/data/s.sock");
    cr_assert_eq(symlink("data/s.sock", WORK "/link.sock"), 0);
    refused(WORK "/data/s.sock", "is a socket");
    refused(WORK "/link.sock", "is a socket");
    refused(WORK "/data", WORK "/data/s.sock");
    allowed(WORK "/data/deep");
    allowed(WORK "/beside");
    cr_assert_eq(check_mount_of(WORK "/data", LISTED, 1, &err), 0, "%s", err.text);
    cr_assert_eq(check_mount_of(WORK "/data/s.sock", LISTED, 1, &err), 0, "%s", err.text);
    cr_assert_eq(check_mount_of(WORK "/link.sock", LISTED, 1, &err), 0, "%s", err.text);
    cr_assert_eq(check_mount_of(WORK "/data/s.sock", BY_LINK, 1, &err), 0, "%s", err.text);
    cr_assert_lt(check_mount_of(WORK "/data/s.sock", OTHER, 2, &err), 0);
    cr_assert_not_null(strstr(err.text, "`sockets` of role `agent`"), "%s", err.text);
    /* A second one in the same directory is not tolerated by the first. */
    bind_socket(WORK "/data/deep/u.sock");
    cr_assert_lt(check_mount_of(WORK "/data", LISTED, 1, &err), 0);
    cr_assert_not_null(strstr(err.text, "u.sock"), "%s", err.text);
    /* A name that was unlinked leads nowhere, though the kernel lists it. */
    cr_assert_eq(unlink(WORK "/data/deep/u.sock"), 0);
    allowed(WORK "/data/deep");
}

/* A socket file whose owner is gone is refused as well: the owner comes back. */
Test(surfaces, socket_file_without_owner)
{
    cr_assert_eq(mknod(WORK "/dead.sock", S_IFSOCK | 0666, 0), 0);
    refused(WORK "/dead.sock", "is a socket");
}

Test(surfaces, tolerated_engine_socket_opens_its_directory_only)
{
    static const char *const LISTED[] = {"/run/podman/podman.sock"};
    struct error err = {0};

    make_directory("/run/podman");
    cr_assert_eq(check_mount_of("/run/podman", LISTED, 1, &err), 0, "%s", err.text);
    cr_assert_lt(check_mount_of("/run", LISTED, 1, &err), 0);
}

Test(surfaces, kernel_file_systems)
{
    static const struct {
        const char *source;
        const char *name;
    } CASES[] = {
        {"/proc", "procfs"},
        {"/proc/sys/kernel/core_pattern", "procfs"},
        {"/proc/self/status", "procfs"},
        {"/sys", "sysfs"},
        {"/sys/kernel", "sysfs"},
        {"/sys/kernel/uevent_helper", "sysfs"},
        {"/proc/self/ns/net", "nsfs"},
        {"/run/work/cgroup", "cgroup"},
    };

    make_directory(WORK "/cgroup");
    cr_assert_eq(mount("cgroup2", WORK "/cgroup", "cgroup2", 0, NULL), 0);
    for (size_t i = 0; i < array_size(CASES); i++)
        if (access(CASES[i].source, F_OK) == 0 || i != 5) /* uevent_helper: only where it is configured */
            refused(CASES[i].source, CASES[i].name);
    /* Another process's root is what it is: the host's. */
    refused("/proc/self/root", "a way out of the network");
    refused("/proc/self/root/run", "a way out of the network");
}

/* What is a bind mount, by type or options; what comes without one, or without a source. */
Test(surfaces, what_counts_as_a_bind_mount)
{
    static const struct {
        const char *mount;
        bool refuse;
    } CASES[] = {
        {"{\"destination\":\"/x\",\"type\":\"bind\",\"source\":\"/run\"}", true},
        {"{\"destination\":\"/x\",\"type\":\"bind\",\"source\":\"/run\",\"options\":null}", true},
        {"{\"destination\":\"/x\",\"type\":\"none\",\"source\":\"/run\",\"options\":[\"ro\",\"rbind\"]}",
         true},
        {"{\"destination\":\"/x\",\"source\":\"/run\",\"options\":[\"bind\"]}", true},
        {"{\"destination\":\"/x\",\"type\":\"tmpfs\",\"source\":\"/run\",\"options\":[\"bind\"]}", true},
        {"{\"destination\":\"/x\",\"type\":\"bind\"}", true},
        {"{\"destination\":\"/x\",\"type\":\"bind\",\"source\":\"\"}", true},
        {"{\"destination\":\"/x\",\"type\":\"bind\",\"source\":\"/nonexistent\"}", true},
        {"{\"destination\":\"/x\",\"type\":\"tmpfs\",\"source\":\"/run\"}", false},
        {"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}", false},
        {"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":[\"ro\"]}", false},
        {"{\"destination\":\"/sys/fs/"
         "cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\",\"options\":[\"ro\"]}",
         false},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct error err = {0};
        char text[512];

        snprintf(text, sizeof(text), "{\"mounts\":[%s]}", CASES[i].mount);
        cr_assert_eq(check_text(text, NULL, 0, &err) < 0, CASES[i].refuse, "%s: %s", text, err.text);
    }
}

Test(surfaces, root_file_system)
{
    struct error err = {0};

    cr_assert_eq(check_text("{\"root\":{\"path\":\"rootfs\"}}", NULL, 0, &err), 0, "%s", err.text);
    cr_assert_eq(check_text("{\"root\":{\"path\":\"" WORK "/bundle/rootfs\"}}", NULL, 0, &err), 0, "%s",
                 err.text);
    cr_assert_lt(check_text("{\"root\":{\"path\":\"/\"}}", NULL, 0, &err), 0);
    cr_assert_not_null(strstr(err.text, "the root file system"), "%s", err.text);
    cr_assert_lt(check_text("{\"root\":{\"path\":\"../../..\"}}", NULL, 0, &err), 0);
    cr_assert_lt(check_text("{\"root\":{\"path\":\"nothing\"}}", NULL, 0, &err), 0);
}

/* Nodes by whatever name, made where the machine may have none. */
Test(surfaces, devices_by_mount)
{
    static const struct {
        const char *path;
        unsigned major;
        unsigned minor;
        bool refuse;
    } NODES[] = {
        {WORK "/innocent", 10, 200, true}, {WORK "/vhost", 10, 238, true}, {WORK "/vsock", 10, 241, true},
        {WORK "/verbs", 231, 77, true},    {WORK "/null", 1, 3, false},    {WORK "/fuse", 10, 229, false},
        {WORK "/kvm", 10, 232, false},
    };

    for (size_t i = 0; i < array_size(NODES); i++) {
        cr_assert_eq(mknod(NODES[i].path, S_IFCHR | 0600, makedev(NODES[i].major, NODES[i].minor)), 0);
        if (NODES[i].refuse)
            refused(NODES[i].path, "a device that carries packets");
        else
            allowed(NODES[i].path);
    }
    /* The numbers mean something else for a disk. */
    cr_assert_eq(mknod(WORK "/disk", S_IFBLK | 0600, makedev(10, 200)), 0);
    allowed(WORK "/disk");
}

/* A node with a number of its own, found by what has a name in /dev. */
Test(surfaces, devices_by_name)
{
    cr_assert_eq(mount("tmpfs", "/dev", "tmpfs", 0, NULL), 0);
    make_directory("/dev/net");
    make_directory("/dev/vfio");
    make_directory("/dev/vfio/devices");
    make_directory("/dev/infiniband");
    cr_assert_eq(mknod("/dev/net/tun", S_IFCHR | 0600, makedev(10, 200)), 0);
    cr_assert_eq(mknod("/dev/vfio/12", S_IFCHR | 0600, makedev(511, 12)), 0);
    cr_assert_eq(mknod("/dev/vfio/devices/vfio0", S_IFCHR | 0600, makedev(510, 1)), 0);
    cr_assert_eq(mknod("/dev/vhost-scsi", S_IFCHR | 0600, makedev(10, 121)), 0);
    cr_assert_eq(mknod("/dev/tap7", S_IFCHR | 0600, makedev(509, 7)), 0);
    cr_assert_eq(mknod(WORK "/group", S_IFCHR | 0600, makedev(511, 12)), 0);
    cr_assert_eq(mknod(WORK "/other", S_IFCHR | 0600, makedev(511, 13)), 0);
    refused("/dev/net/tun", "/dev/net/tun");
    refused("/dev/vfio/12", "/dev/vfio/");
    refused("/dev/vfio/devices/vfio0", "/dev/vfio/devices/");
    refused("/dev/vhost-scsi", "/dev/vhost-");
    refused("/dev/tap7", "/dev/tap");
    refused(WORK "/group", "/dev/vfio/");
    allowed(WORK "/other");
    refused("/dev", "a device that carries packets");
    refused("/dev/net", "a device that carries packets");
    refused("/dev/vfio", "a device that carries packets");
    refused("/dev/infiniband", "a device that carries packets");
    bind_mount("/dev/net", WORK "/alias", 0);
    refused(WORK "/alias", "a device that carries packets");
}

#define DEVICE(type, numbers) \
    "{\"linux\":{\"devices\":[{\"path\":\"/dev/x\",\"type\":\"" type "\"" numbers "}]}}"
#define RULE(rule) "{\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}," rule "]}}}"

Test(surfaces, devices_by_config)
{
    static const struct {
        const char *config;
        const char *reason; /* NULL: allowed */
    } CASES[] = {
        {DEVICE("c", ",\"major\":10,\"minor\":200"), "device /dev/x is or holds /dev/net/tun"},
        {DEVICE("u", ",\"major\":10,\"minor\":200"), "/dev/net/tun"},
        {DEVICE("c", ",\"major\":10,\"minor\":241"), "/dev/vhost-vsock"},
        {DEVICE("c", ",\"major\":231,\"minor\":192"), "/dev/infiniband"},
        {DEVICE("c", ",\"major\":4106,\"minor\":200"), "/dev/net/tun"},   /* mknod(2) cuts to 12 bits */
        {DEVICE("c", ",\"major\":10,\"minor\":1048776"), "/dev/net/tun"}, /* and to 20 */
        {DEVICE("c", ",\"major\":10.0,\"minor\":200"), "no number"},
        {DEVICE("c", ",\"major\":\"10\",\"minor\":200"), "no number"},
        {DEVICE("c", ""), "no number"},
        {"{\"linux\":{\"devices\":[{\"type\":\"c\",\"major\":1,\"minor\":3}]}}", "no path"},
        {"{\"linux\":{\"devices\":[{\"path\":\"/dev/x\"}]}}", "no type"},
        {DEVICE("c", ",\"major\":1,\"minor\":3"), NULL},
        {DEVICE("c", ",\"major\":10,\"minor\":229"), NULL},
        {DEVICE("b", ",\"major\":10,\"minor\":200"), NULL},
        {DEVICE("p", ""), NULL},
        {RULE("{\"allow\":true,\"access\":\"rwm\"}"), "a rule for devices"},
        {RULE("{\"allow\":true,\"type\":\"a\",\"access\":\"rwm\"}"), "a rule for devices"},
        {RULE("{\"allow\":true,\"type\":\"c\",\"major\":10,\"access\":\"rwm\"}"), "/dev/vhost-net"},
        {RULE("{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":200,\"access\":\"rw\"}"),
         NULL}, /* what runc 1.1 and containerd do by default */
        {RULE("{\"allow\":true,\"type\":\"c\",\"access\":\"m\"}"), NULL},
        {RULE("{\"allow\":true,\"type\":\"c\",\"major\":-1,\"minor\":241,\"access\":\"rw\"}"),
         "/dev/vhost-vsock"},
        {RULE("{\"allow\":true,\"type\":\"c\",\"major\":231,\"minor\":192,\"access\":\"rw\"}"),
         "/dev/infiniband"},
        {RULE("{\"allow\":1,\"type\":\"c\"}"), "does not say `allow`"},
        {RULE("{}"), "does not say `allow`"},
        {RULE("{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rwm\"}"), NULL},
        {RULE("{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"rwm\"}"), NULL},
        {RULE("{\"allow\":true,\"type\":\"b\",\"access\":\"m\"}"), NULL},
        {RULE("{\"allow\":false,\"type\":\"c\",\"major\":10,\"minor\":200,\"access\":\"rwm\"}"), NULL},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct error err = {0};
        int result = check_text(CASES[i].config, NULL, 0, &err);

        cr_assert_eq(result < 0, CASES[i].reason != NULL, "%s: %s", CASES[i].config, err.text);
        if (CASES[i].reason != NULL)
            cr_assert_not_null(strstr(err.text, CASES[i].reason), "%s: %s", CASES[i].config, err.text);
    }
}
