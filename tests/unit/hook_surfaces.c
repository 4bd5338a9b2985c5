/* SPDX-License-Identifier: Apache-2.0
 *
 * Ways out that are not packets, with real sockets, real nodes and real mounts. Each test works in a private
 * mount namespace with a /run of its own, so that nothing depends on what runs on this machine, and nothing
 * stays. */
#include "base/cleanup.h"
#include "hook/devices.h"
#include "hook/document.h"
#include "hook/mounts.h"
#include "hook/names.h"
#include "hook/sockets.h"
#include "hook/surfaces.h"
#include "hook/walk.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORK "/run/area" /* where a test makes what it needs */

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

static int check_root(const char *path, struct error *err)
{
    char text[1024];

    snprintf(text, sizeof(text), "{\"root\":{\"path\":\"%s\"}}", path);
    return check_text(text, NULL, 0, err);
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
                                        "/run/area/..",
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

/* What engines, runtimes and Sallyport decide by. */
Test(surfaces, directories_of_state)
{
    static const char *const MADE[] = {"/run/sallyport",
                                       "/run/runc",
                                       "/run/docker",
                                       "/run/crun",
                                       "/run/docker/runtime-runc",
                                       "/run/docker/plugins",
                                       "/run/libpod",
                                       "/run/containerd",
                                       "/run/containerd/runc",
                                       "/run/containerd/runc/k8s.io"};

    for (size_t i = 0; i < array_size(MADE); i++)
        make_directory(MADE[i]);
    refused("/etc", "holds /etc/sallyport");
    refused("/etc/containers", "holds /etc/containers/");
    refused("/var/lib", "holds /var/lib/");
    refused("/run/sallyport", "holds /run/sallyport");
    refused("/run/runc", "holds /run/runc");
    refused("/run/crun", "holds /run/crun");
    refused("/run/libpod", "holds /run/libpod");
    refused("/run/docker/runtime-runc", "holds /run/docker/runtime-runc");
    refused("/run/containerd/runc", "holds /run/containerd/runc");
    bind_mount("/run/runc", WORK "/alias", 0);
    refused(WORK "/alias", "holds /run/runc");
    allowed("/run/docker/plugins");
}

/* With those above it. */
static void make_directories(const char *path)
{
    char above[PATH_MAX];

    for (const char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        snprintf(above, sizeof(above), "%.*s", (int)(at - path), path);
        cr_assert(mkdir(above, 0755) == 0 || errno == EEXIST, "%s", above);
    }
    make_directory(path);
}

static void make_file(const char *path)
{
    cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    cr_assert_geq(fd, 0, "%s", path);
}

#define STORAGE WORK "/storage"
#define RUNNING "/run/containers/storage"
#define OWN_ID "/overlay-containers/0000000000000000111111111111111122222222222222223333333333333333"
#define OWN OWN_ID "/userdata"
#define ANOTHER \
    "/overlay-containers/4444444444444444555555555555555566666666666666667777777777777777/userdata"
#define OWN_FILES STORAGE OWN
#define OTHER_FILES STORAGE ANOTHER

/* What is in one of them is a part of it, but for what engines mount from there. Podman's storage may be
 * anywhere: the bundle tells. */
Test(surfaces, parts_of_state)
{
    static const char *const REFUSED[] = {STORAGE "/libpod",     STORAGE "/libpod/bolt_state.db",
                                          STORAGE "/volumes",    STORAGE "/overlay/layer/diff",
                                          OTHER_FILES,           OTHER_FILES "/config.json",
                                          OTHER_FILES "/secrets"};
    static const char *const ALLOWED[] = {STORAGE "/volumes/data/_data",
                                          STORAGE "/volumes/data/_data/file",
                                          OWN_FILES "/secrets",
                                          OWN_FILES "/hosts",
                                          RUNNING OWN "/etc",
                                          OTHER_FILES "/shm",
                                          OTHER_FILES "/hosts"};
    static const char *const DIRECTORIES[] = {
        STORAGE "/libpod",    STORAGE "/volumes/data/_data", STORAGE "/overlay/layer/diff",
        OWN_FILES "/secrets", OTHER_FILES "/secrets",        OTHER_FILES "/shm",
        RUNNING OWN "/etc",   RUNNING ANOTHER "/etc"};
    static const char *const FILES[] = {STORAGE "/libpod/bolt_state.db", STORAGE "/volumes/data/_data/file",
                                        OWN_FILES "/config.json",        OWN_FILES "/hosts",
                                        OTHER_FILES "/config.json",      OTHER_FILES "/hosts",
                                        RUNNING OWN_ID "/state.json"};
    /* Podman's --rootfs is a root file system of the starter's choice. */
    static const struct {
        const char *path;
        const char *reason;
    } ROOTS[] = {
        {STORAGE "/overlay/layer/diff", NULL},
        {OWN_FILES "/rootfs", NULL},
        {RUNNING OWN "/etc", NULL},
        {STORAGE "/libpod", "the root file system is in " STORAGE},
        {OTHER_FILES, "the root file system is in " STORAGE},
        {RUNNING ANOTHER "/etc", "the root file system is in " RUNNING},
        {STORAGE "/volumes/data/_data", "the root file system is in " STORAGE},
    };

    for (size_t i = 0; i < array_size(DIRECTORIES); i++)
        make_directories(DIRECTORIES[i]);
    for (size_t i = 0; i < array_size(FILES); i++)
        make_file(FILES[i]);
    cr_assert_eq(symlink("../../../libpod", STORAGE "/volumes/data/_data/link"), 0);
    for (size_t i = 0; i < array_size(REFUSED); i++)
        allowed(REFUSED[i]); /* of another container than Podman's */
    close(bundle);
    bundle = open(OWN_FILES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    make_directory(OWN_FILES "/rootfs");
    for (size_t i = 0; i < array_size(REFUSED); i++)
        refused(REFUSED[i], "is in " STORAGE ", a way out of the network");
    for (size_t i = 0; i < array_size(ALLOWED); i++)
        allowed(ALLOWED[i]);
    refused(OWN_FILES "/config.json", "the container's own config.json");
    refused(RUNNING ANOTHER "/etc", "is in " RUNNING);
    refused(RUNNING OWN_ID "/state.json", "is in " RUNNING);
    refused(STORAGE "/volumes/data/_data/link", "is in " STORAGE);
    refused(STORAGE, "holds " STORAGE);
    refused(STORAGE "/overlay-containers", "holds the container's own bundle");
    for (size_t i = 0; i < array_size(ROOTS); i++) {
        struct error err = {0};
        bool engines = ROOTS[i].reason == NULL;

        cr_assert_eq(check_root(ROOTS[i].path, &err) == 0, engines, "%s: %s", ROOTS[i].path, err.text);
        cr_assert(engines || strstr(err.text, ROOTS[i].reason) != NULL, "%s: %s", ROOTS[i].path, err.text);
    }
}

#define DATA WORK "/docker/1000.1000"
#define ID "0000000000000000111111111111111122222222222222223333333333333333"

/* Docker's may be anywhere, too, in a part of its own for remapped users: the root file system tells. */
Test(surfaces, state_of_docker)
{
    static const char *const DIRECTORIES[] = {DATA "/overlay2/layer/merged",
                                              DATA "/containers/" ID "/mounts/shm",
                                              DATA "/volumes/data/_data",
                                              DATA "/image",
                                              DATA "/plugins/storage/rootfs",
                                              DATA "/plugins/storage/propagated-mount/data",
                                              DATA "/runtimes",
                                              WORK "/tasks/" ID};
    static const char *const ABOVE[] = {DATA, WORK "/docker"};
    static const char *const PARTS[] = {DATA "/containers", DATA "/containers/" ID "/hostconfig.json",
                                        DATA "/overlay2",   DATA "/overlay2/layer/merged",
                                        DATA "/image",      DATA "/plugins/storage/rootfs",
                                        DATA "/runtimes",   DATA "/volumes"};

    for (size_t i = 0; i < array_size(DIRECTORIES); i++)
        make_directories(DIRECTORIES[i]);
    make_file(DATA "/containers/" ID "/hostconfig.json");
    cr_assert_eq(symlink(DATA "/overlay2/layer/merged", WORK "/tasks/" ID "/rootfs"), 0);
    for (size_t i = 0; i < array_size(ABOVE); i++)
        allowed(ABOVE[i]);
    for (size_t i = 0; i < array_size(PARTS); i++)
        allowed(PARTS[i]);
    close(bundle);
    bundle = open(WORK "/tasks/" ID, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < array_size(ABOVE); i++)
        refused(ABOVE[i], "holds " DATA);
    for (size_t i = 0; i < array_size(PARTS); i++)
        refused(PARTS[i], "is in " DATA);
    allowed(DATA "/containers/" ID "/mounts/shm");
    allowed(DATA "/volumes/data/_data");
    allowed(DATA "/plugins/storage/propagated-mount/data");
}

#define TASK "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/" ID

/* containerd's own files in the bundle say which program it runs for the container; Sallyport's are mounted.
 */
Test(surfaces, files_of_the_bundle)
{
    make_directories(TASK "/rootfs");
    make_file(TASK "/runtime");
    make_file(TASK "/" NAMES_HOSTS_FILE);
    close(bundle);
    bundle = open(TASK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    refused(TASK "/runtime", "is in /run/docker/containerd/daemon/io.containerd.runtime.v2.task, a way out");
    allowed(TASK "/" NAMES_HOSTS_FILE);
    allowed(TASK "/rootfs");
}

/* An overlay that the host has mounted is its layers, whatever numbers its files have. */
Test(surfaces, overlays_of_the_host)
{
    static const char *const DIRECTORIES[] = {"/run/runc", WORK "/low", WORK "/upper", WORK "/work",
                                              WORK "/over"};
    static const struct {
        const char *options;
        bool refuse;
    } CASES[] = {
        {"lowerdir=" WORK "/low,upperdir=" WORK "/upper,workdir=" WORK "/work", false},
        {"lowerdir=" WORK "/low,upperdir=/run/runc,workdir=" WORK "/work", true},
        {"lowerdir=" WORK "/low:/run/runc", true},
    };

    for (size_t i = 0; i < array_size(DIRECTORIES); i++)
        make_directory(DIRECTORIES[i]);
    for (size_t i = 0; i < array_size(CASES); i++) {
        struct error err = {0};
        int result = 0;

        cr_assert_eq(mount("overlay", WORK "/over", "overlay", 0, CASES[i].options), 0, "%s",
                     CASES[i].options);
        result = check_mount_of(WORK "/over", NULL, 0, &err);
        cr_assert_eq(result < 0, CASES[i].refuse, "%s: %s", CASES[i].options, err.text);
        if (CASES[i].refuse)
            cr_assert_not_null(strstr(err.text, "layer /run/runc of an overlay"), "%s", err.text);
        cr_assert_eq(umount(WORK "/over"), 0);
    }
}

/* Who can write into the bundle decides what joins the container. */
Test(surfaces, directories_above_the_bundle)
{
    make_directory(WORK "/bundle/data");
    make_directory(WORK "/bundles");
    refused(WORK "/bundle", "config.json");
    refused(WORK, "config.json");
    refused(".", "config.json");
    bind_mount(WORK, "/run/alias", 0);
    refused("/run/alias", "config.json");
    refused("/run/alias/bundle", "config.json");
    allowed("data");
    allowed(WORK "/bundles");
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
        {"/run/area/cgroup", "cgroup"},
        {"/dev/pts", "devpts"},
        {"/run/area/mqueue", "mqueue"},
        {"/run/area/binfmt_misc", "binfmt_misc"},
        {"/run/area/binfmt_misc/register", "binfmt_misc"},
    };
    static const char *const MOUNTED[] = {"mqueue", "binfmt_misc"};

    make_directory(WORK "/cgroup");
    cr_assert_eq(mount("cgroup2", WORK "/cgroup", "cgroup2", 0, NULL), 0);
    for (size_t i = 0; i < array_size(MOUNTED); i++) {
        char path[64];

        snprintf(path, sizeof(path), WORK "/%s", MOUNTED[i]);
        make_directory(path);
        cr_assert_eq(mount(MOUNTED[i], path, MOUNTED[i], 0, NULL), 0, "%s", MOUNTED[i]);
    }
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
    make_directory("/dev/bsg");
    cr_assert_eq(mknod("/dev/bsg/0:0:0:0", S_IFCHR | 0600, makedev(508, 0)), 0);
    cr_assert_eq(mknod("/dev/ng0n1", S_IFCHR | 0600, makedev(507, 0)), 0);
    cr_assert_eq(mknod("/dev/sgx_enclave", S_IFCHR | 0600, makedev(10, 125)), 0);
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
    refused("/dev/bsg/0:0:0:0", "/dev/bsg/*, a device that writes to disks of the host");
    refused("/dev/ng0n1", "/dev/ng[0-9]*, a device that writes to disks of the host");
    allowed("/dev/sgx_enclave");
    refused("/dev/bsg", "/dev/bsg, a device that writes to disks of the host");
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
        {DEVICE("c", ",\"major\":21,\"minor\":3"), "/dev/sg, a device that writes to disks of the host"},
        {DEVICE("c", ",\"major\":90,\"minor\":0"), "/dev/mtd, a device that writes to disks of the host"},
        {RULE("{\"allow\":true,\"type\":\"c\",\"major\":21,\"minor\":0,\"access\":\"rw\"}"),
         "/dev/sg, a device that writes to disks"},
        {DEVICE("c", ",\"major\":4106,\"minor\":200"), "/dev/net/tun"},   /* mknod(2) cuts to 12 bits */
        {DEVICE("c", ",\"major\":10,\"minor\":1048776"), "/dev/net/tun"}, /* and to 20 */
        {DEVICE("c", ",\"major\":10.0,\"minor\":200"), "no number"},
        {DEVICE("c", ",\"major\":\"10\",\"minor\":200"), "no number"},
        {DEVICE("c", ""), "no number"},
        {"{\"linux\":{\"devices\":[{\"type\":\"c\",\"major\":1,\"minor\":3}]}}", "no path"},
        {"{\"linux\":{\"devices\":[{\"path\":\"/dev/x\"}]}}", "no type"},
        {DEVICE("c", ",\"major\":1,\"minor\":3"), NULL},
        {DEVICE("c", ",\"major\":10,\"minor\":229"), NULL},
        {DEVICE("b", ",\"major\":10,\"minor\":200"), "device /dev/x gives the container disks"},
        {DEVICE("p", ""), NULL},
        {DEVICE("block", ",\"major\":8,\"minor\":0"),
         "a type other than"}, /* crun looks at the first letter */
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
        {RULE("{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":0,\"access\":\"r\"}"),
         "disks of the host"},
        {RULE("{\"allow\":true,\"type\":\"b\"}"), "disks of the host"},
        {RULE("{\"allow\":true,\"type\":\"a\",\"major\":8,\"access\":\"rwm\"}"), "disks of the host"},
        {RULE("{\"allow\":true,\"major\":8,\"access\":\"w\"}"), "disks of the host"},
        {RULE("{\"allow\":false,\"type\":\"b\",\"access\":\"rwm\"}"), NULL},
        {RULE("{\"allow\":true,\"type\":\"a\",\"access\":\"m\"}"), "a rule for devices"},
        {RULE("{\"allow\":true,\"type\":\"a\",\"major\":1,\"minor\":3,\"access\":\"m\"}"),
         "disks of the host"},
        {RULE("{\"allow\":true,\"type\":\"p\",\"access\":\"rwm\"}"), "a type other than"},
        {RULE("{\"allow\":true,\"type\":\"ax\",\"access\":\"m\"}"), "a type other than"},
        {RULE("{\"allow\":true,\"type\":\"\",\"access\":\"m\"}"), "a type other than"},
        {RULE("{\"allow\":true,\"type\":1,\"access\":\"m\"}"), "a type other than"},
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

/* Sockets that /proc/net/unix does not have by the path where they are. */
Test(surfaces, sockets_without_a_name_in_the_list)
{
    static const char *const LISTED[] = {WORK "/data/deep/link.sock"};
    struct error err = {0};

    make_directory(WORK "/data");
    make_directory(WORK "/data/deep");
    make_directory(WORK "/beside");
    cr_assert_eq(chdir(WORK "/beside"), 0);
    bind_socket("relative.sock");
    refused(WORK "/beside", "holds the socket relative.sock");
    cr_assert_eq(link("relative.sock", WORK "/data/deep/link.sock"), 0);
    refused(WORK "/data", "holds the socket deep/link.sock");
    /* Both are the same socket. */
    cr_assert_eq(check_mount_of(WORK "/data", LISTED, 1, &err), 0, "%s", err.text);
    cr_assert_eq(check_mount_of(WORK "/beside", LISTED, 1, &err), 0, "%s", err.text);
    cr_assert_eq(unlink(WORK "/data/deep/link.sock"), 0);
    allowed(WORK "/data");
    bind_socket(WORK "/data/deep/line\nfeed");
    refused(WORK "/data", "holds the socket deep/line");
    cr_assert_eq(rename(WORK "/data/deep", WORK "/data/moved"), 0);
    refused(WORK "/data", "holds the socket moved/line");
    cr_assert_eq(unlink(WORK "/data/moved/line\nfeed"), 0);
    cr_assert_eq(mknod(WORK "/data/moved/tun", S_IFCHR | 0600, makedev(10, 200)), 0);
    refused(WORK "/data", "/dev/net/tun");
}

/* What is beyond the budget, on another mount, or behind a symbolic link is not looked at. */
Test(surfaces, walk_is_bounded)
{
    static const struct policy_role ROLE = {.name = "agent"};
    const struct sockets *sockets = NULL;
    struct walk_find find;
    struct error err = {0};
    size_t budget = 5;
    cleanup_close int fd = -1;

    cr_assert_eq(sockets_collect(&ROLE, bundle, NULL, &sockets, &err), 0, "%s", err.text);
    make_directory(WORK "/data");
    make_directory(WORK "/data/a");
    make_directory(WORK "/data/a/b");
    make_directory(WORK "/data/a/b/c");
    make_directory(WORK "/elsewhere");
    fd = open(WORK "/data", O_PATH | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(mknod(WORK "/elsewhere/s", S_IFSOCK | 0600, 0), 0);
    cr_assert_eq(symlink("../elsewhere", WORK "/data/link"), 0);
    bind_mount(WORK "/elsewhere", WORK "/data/mount", 0);
    walk(fd, sockets, &budget, &find);
    cr_assert_str_eq(find.path, "");
    cr_assert_eq(budget, 0); /* a, link, mount, b, c */
    cr_assert_eq(mknod(WORK "/data/a/b/c/s", S_IFSOCK | 0600, 0), 0);
    budget = 5;
    walk(fd, sockets, &budget, &find);
    cr_assert_str_eq(find.path, "");
    budget = 6;
    walk(fd, sockets, &budget, &find);
    cr_assert_str_eq(find.path, "a/b/c/s");
    budget = 0;
    walk(fd, sockets, &budget, &find);
    cr_assert_str_eq(find.path, "");
}

/* A large directory before a small one takes only a part of the budget. */
Test(surfaces, large_directory_hides_no_small_one)
{
    struct error err = {0};
    char path[128];

    make_directory(WORK "/large");
    make_directory(WORK "/small");
    for (int i = 0; i < 20000; i++) {
        snprintf(path, sizeof(path), WORK "/large/%d", i);
        cr_assert_eq(mknod(path, S_IFREG | 0600, 0), 0);
    }
    allowed(WORK "/large");
    cr_assert_eq(mknod(WORK "/small/s", S_IFSOCK | 0600, 0), 0);
    cr_assert_lt(check_text("{\"mounts\":[{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"" WORK
                            "/large\"},{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"" WORK
                            "/small\"}]}",
                            NULL, 0, &err),
                 0);
    cr_assert_not_null(strstr(err.text, "holds the socket s"), "%s", err.text);
}

static double milliseconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static const struct policy_role AGENT = {.name = "agent"};

/* The least of three: what else the machine does only adds to it. */
static double milliseconds_to_collect(void)
{
    double least = 0;

    for (int i = 0; i < 3; i++) {
        const struct sockets *sockets = NULL;
        struct error err = {0};
        double start = milliseconds();
        double taken = 0;

        cr_assert_eq(sockets_collect(&AGENT, bundle, NULL, &sockets, &err), 0, "%s", err.text);
        taken = milliseconds() - start;
        least = i == 0 || taken < least ? taken : least;
    }
    return least;
}

/* Any user of the host can bind sockets: it must not take long to look at many of them, neither in one
 * directory nor in one for each. Ten times as many take ten times as long, and would a hundred times if each
 * was looked for among all. */
Test(surfaces, many_bound_sockets)
{
    enum { COUNT = 15000 };
    const struct rlimit limit = {COUNT + 100, COUNT + 100};
    double few = 0;
    double all = 0;
    char path[100];

    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    make_directory(WORK "/many");
    for (int i = 0; i < COUNT; i++) {
        if (i == COUNT / 10)
            few = milliseconds_to_collect();
        snprintf(path, sizeof(path), WORK "/many/%d", i);
        if (i % 2 == 0)
            make_directory(path);
        strcat(path, i % 2 == 0 ? "/s" : "");
        bind_socket(path);
    }
    all = milliseconds_to_collect();
    cr_log_info("%d sockets: %.1f ms, a tenth of them: %.1f ms", COUNT, all, few);
    cr_assert_lt(all, 40 * few, "%.1f ms, of a tenth %.1f ms", all, few);
    refused(WORK "/many/14998", "/many/14998/s");
}

/* Types of file systems: what engines mount is allowed where they mount it, and nothing else. */
Test(surfaces, new_file_systems)
{
    static const struct {
        const char *mount;
        const char *namespaces;
        const char *reason; /* NULL: allowed */
    } CASES[] = {
        {"\"/proc\",\"type\":\"proc\"", "", NULL},
        {"\"/proc/\",\"type\":\"proc\"", "", NULL},
        {"\"/data\",\"type\":\"proc\"", "", "proc mount on /data"},
        {"\"/proc2\",\"type\":\"proc\"", "", "proc mount on /proc2"},
        {"\"/proc/x\",\"type\":\"proc\"", "", "proc mount on /proc/x"},
        {"\"/data\",\"type\":\"proc\"", "user", "proc mount on /data"},
        {"\"/sys\",\"type\":\"sysfs\",\"options\":[\"nosuid\",\"ro\"]", "", NULL},
        {"\"/sys\",\"type\":\"sysfs\",\"options\":[\"nosuid\"]", "", "is writable"},
        {"\"/sys\",\"type\":\"sysfs\",\"options\":[\"ro\",\"rw\"]", "", "is writable"},
        {"\"/sys\",\"type\":\"sysfs\"", "user", NULL},
        {"\"/sys\",\"type\":\"sysfs\"", "cgroup", "is writable"},
        {"\"/data\",\"type\":\"sysfs\",\"options\":[\"ro\"]", "", "sysfs mount on /data"},
        {"\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"options\":[\"ro\"]", "", NULL},
        {"\"/sys/fs/cgroup\",\"type\":\"cgroup2\",\"options\":[\"ro\"]", "", NULL},
        {"\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"options\":[\"rw\"]", "", "is writable"},
        {"\"/sys/fs/cgroup\",\"type\":\"cgroup\"", "cgroup", NULL},
        {"\"/sys/fs/cgroup\",\"type\":\"cgroup\"", "user", NULL},
        {"\"/sys/fs/cgroup/../../x\",\"type\":\"cgroup\"", "user", "cgroup mount on"},
        {"\"/cgroup\",\"type\":\"cgroup\",\"options\":[\"ro\"]", "", "cgroup mount on /cgroup"},
        {"\"/x\",\"type\":\"tmpfs\"", "", NULL},
        {"\"/x\",\"type\":\"devpts\"", "", NULL},
        {"\"/x\",\"type\":\"mqueue\"", "", NULL},
        {"\"/x\",\"type\":\"overlay\",\"options\":[\"lowerdir=" WORK "/bundle/rootfs\"]", "", NULL},
        {"\"/x\",\"type\":\"overlay\",\"options\":[\"lowerdir=" WORK "/bundle/rootfs:/run\"]", "", "/run/"},
        {"\"/x\",\"type\":\"overlay\",\"options\":[\"upperdir=/run\"]", "", "/run/"},
        {"\"/x\",\"type\":\"overlay\",\"options\":[\"lowerdir=" WORK "\\\\:\"]", "", "a backslash"},
        {"\"/x\",\"type\":\"overlay\",\"options\":[\"index=off,lowerdir=/run\"]", "", "has a comma"},
        {"\"/sys/fs/cgroup\",\"type\":\"cgroup2\"", "cgroup\",\"path\":\"", NULL},
        {"\"/sys/fs/cgroup\",\"type\":\"cgroup2\"", "cgroup\",\"path\":\"/proc/1/ns/cgroup", "is writable"},
        {"\"/sys\",\"type\":\"sysfs\"", "user\"}],\"uidMappings\":[{\"hostID\":1000,\"x\":\"", NULL},
        {"\"/sys\",\"type\":\"sysfs\"", "user\"}],\"uidMappings\":[{\"hostID\":0,\"x\":\"", "is writable"},
        {"\"/x\",\"type\":\"debugfs\"", "", "debugfs mount on /x"},
        {"\"/x\",\"type\":\"tracefs\"", "", "tracefs mount on /x"},
        {"\"/x\",\"type\":\"bpf\"", "user", "bpf mount on /x"},
        {"\"/x\",\"type\":\"securityfs\"", "", "securityfs"},
        {"\"/x\",\"type\":\"configfs\"", "", "configfs"},
        {"\"/x\",\"type\":\"devtmpfs\"", "", "devtmpfs"},
        {"\"/x\",\"type\":\"nfs\"", "", "nfs"},
        {"\"/x\",\"type\":\"9p\"", "", "9p"},
        {"\"/x\",\"type\":\"fuse\"", "", "fuse"},
        {"\"/x\",\"type\":\"cifs\"", "", "cifs"},
        {"\"/x\",\"type\":\"binder\"", "", "binder"},
        {"\"/x\",\"type\":\"ext4\"", "", "ext4"},
        {"\"/x\",\"type\":\"none\"", "", "none"},
        {"\"/x\",\"type\":\"\"", "", " mount on /x"},
        {"\"/x\"", "", "has no type"},
        {"\"/x\",\"type\":\"bind\",\"source\":\"/usr\",\"options\":[\"rbind\",\"rslave\"]", "", "later"},
        {"\"/x\",\"type\":\"bind\",\"source\":\"/usr\",\"options\":[\"shared\"]", "user", "later"},
        {"\"/x\",\"type\":\"bind\",\"source\":\"/usr\",\"options\":[\"slave\",\"private\"]", "", "later"},
        {"\"/x\",\"type\":\"tmpfs\",\"options\":[\"rshared\"]", "", "later"},
        {"\"/x\",\"type\":\"bind\",\"source\":\"/usr\",\"options\":[\"rbind\",\"rprivate\"]", "", NULL},
        {"\"/sys\",\"type\":\"sysfs\",\"options\":[\"ro\",\"remount\"]", "", "changes one that is there"},
        {"\"/sys\",\"type\":\"bind\",\"source\":\"" WORK "\",\"options\":[\"remount\",\"rw\"]", "",
         "changes one that is there"},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct error err = {0};
        char text[512];
        int result = 0;

        snprintf(text, sizeof(text),
                 "{\"linux\":{\"namespaces\":[{\"type\":\"%s\"}]},\"mounts\":[{\"destination\":%s}]}",
                 CASES[i].namespaces, CASES[i].mount);
        result = check_text(text, NULL, 0, &err);
        cr_assert_eq(result < 0, CASES[i].reason != NULL, "%s: %s", text, err.text);
        if (CASES[i].reason != NULL)
            cr_assert_not_null(strstr(err.text, CASES[i].reason), "%s: %s", text, err.text);
    }
}

/* A process as a container's init waits for its hooks: in a mount namespace of its own, with mounts below the
 * root's path that nobody else has. */
struct init {
    pid_t pid;
    int pidfd;
};

#define ROOT WORK "/bundle/rootfs"

/* `prepare` makes the mounts, and returns whether it could. */
static struct init start_init(bool (*prepare)(void))
{
    struct init init = {.pid = -1, .pidfd = -1};
    int ready[2];
    char byte = 'n';

    cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
    init.pid = (pid_t)syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | SIGCHLD,
                              NULL, NULL, NULL, NULL);
    cr_assert_geq(init.pid, 0);
    if (init.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        byte = prepare() ? 'y' : 'n';
        if (write(ready[1], &byte, 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    cr_assert_eq(byte, 'y', "the mounts could not be made");
    init.pidfd = (int)syscall(SYS_pidfd_open, init.pid, 0);
    cr_assert_geq(init.pidfd, 0);
    return init;
}

static void end_init(const struct init *init)
{
    kill(init->pid, SIGKILL);
    waitpid(init->pid, NULL, 0);
    close(init->pidfd);
}

/* As runtimes do it: the root, and what every container has. */
static bool mount_usual(void)
{
    return mount(ROOT, ROOT, NULL, MS_BIND | MS_REC, NULL) == 0 &&
           mount("proc", ROOT "/proc", "proc", 0, NULL) == 0 &&
           mount("tmpfs", ROOT "/dev", "tmpfs", 0, NULL) == 0 && mkdir(ROOT "/dev/pts", 0755) == 0 &&
           mount("devpts", ROOT "/dev/pts", "devpts", 0, "newinstance") == 0 &&
           mount("sysfs", ROOT "/sys", "sysfs", MS_RDONLY, NULL) == 0;
}

static const char *data_source; /* what mount_data mounts on /data */

static bool mount_data(void)
{
    return mount_usual() && mount(data_source, ROOT "/data", NULL, MS_BIND | MS_REC, NULL) == 0;
}

/* The same, in a directory with a space and a line feed in its name. */
static bool mount_escaped(void)
{
    return mount_usual() && mount(data_source, ROOT "/a b\n\\", NULL, MS_BIND | MS_REC, NULL) == 0;
}

static bool mount_covered(void)
{
    return mount_data() && mount("tmpfs", ROOT "/data", "tmpfs", 0, NULL) == 0;
}

static bool mount_host_proc(void)
{
    return mount_usual() && umount(ROOT "/proc") == 0 &&
           mount("/proc", ROOT "/proc", NULL, MS_BIND | MS_REC, NULL) == 0;
}

static bool mount_host_sysfs(void)
{
    return mount_usual() && umount(ROOT "/sys") == 0 &&
           mount("/sys", ROOT "/sys", NULL, MS_BIND | MS_REC, NULL) == 0;
}

static bool mount_proc_on_data(void)
{
    return mount_usual() && mount("proc", ROOT "/data", "proc", 0, NULL) == 0;
}

/* Where the config says nothing, below something that it allows. */
static bool mount_proc_below_dev(void)
{
    return mount_usual() && mkdir(ROOT "/dev/x", 0755) == 0 &&
           mount("proc", ROOT "/dev/x", "proc", 0, NULL) == 0;
}

static bool mount_nothing(void)
{
    return true;
}

static bool mount_elsewhere(void)
{
    return mkdir(WORK "/other", 0755) == 0 && mkdir(WORK "/other/proc", 0755) == 0 &&
           mount("proc", WORK "/other/proc", "proc", 0, NULL) == 0;
}

static int check_init(const struct init *init, struct error *err)
{
    static const char CONFIG[] =
        "{\"root\":{\"path\":\"rootfs\"},\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\"},"
        "{\"destination\":\"/sys\",\"type\":\"sysfs\",\"options\":[\"ro\"]},{\"destination\":\"/"
        "dev\",\"type\":"
        "\"tmpfs\"},{\"destination\":\"/dev/pts\",\"type\":\"devpts\"},{\"destination\":\"/data\",\"type\":"
        "\"bind\",\"source\":\"" WORK "/harmless\"}]}";
    static const struct policy_role ROLE = {.name = "agent"};
    json_t *config = NULL;
    int result = document_parse(CONFIG, strlen(CONFIG), "test", &config, err);

    cr_assert_eq(result, 0, "%s", err->text);
    result = surfaces_check(config, bundle, &ROLE, err); /* what the config says is always in order */
    cr_assert_eq(result, 0, "%s", err->text);
    result = mounts_check(init->pid, init->pidfd, config, bundle, &ROLE, err);
    json_decref(config);
    return result;
}

/* `reason`: NULL if it is to be allowed. */
static void expect_mounts(bool (*prepare)(void), const char *source, const char *reason)
{
    struct error err = {0};
    struct init init = {0};
    int result = 0;

    data_source = source;
    init = start_init(prepare);
    result = check_init(&init, &err);
    end_init(&init);
    cr_assert_eq(result < 0, reason != NULL, "%s: %s", source, err.text);
    if (reason != NULL)
        cr_assert_not_null(strstr(err.text, reason), "%s: %s", source, err.text);
}

static void make_root(void)
{
    static const char *const MADE[] = {"/proc", "/dev", "/sys", "/data", "/a b\n\\"};

    for (size_t i = 0; i < array_size(MADE); i++) {
        char path[128];

        snprintf(path, sizeof(path), ROOT "%s", MADE[i]);
        make_directory(path);
    }
    make_directory(WORK "/harmless");
}

Test(surfaces, what_is_mounted)
{
    make_root();
    make_directory(WORK "/engine");
    make_directory(WORK "/engine/deep");
    make_directory(WORK "/above");
    bind_mount(WORK "/engine", WORK "/above/below", 0);
    expect_mounts(mount_usual, NULL, NULL);
    expect_mounts(mount_data, WORK "/harmless", NULL);
    expect_mounts(mount_data, WORK "/above", NULL);
    expect_mounts(mount_data, "/run", "what is mounted on /data of the container");
    expect_mounts(mount_data, "/proc", "the host's procfs");
    expect_mounts(mount_data, "/sys/kernel", "the host's sysfs");
    expect_mounts(mount_data, "/", "/data of the container");
    expect_mounts(mount_escaped, WORK "/harmless", NULL);
    cr_assert_eq(mknod(WORK "/engine/deep/s", S_IFSOCK | 0666, 0), 0);
    expect_mounts(mount_data, WORK "/engine", "holds the socket deep/s");
    expect_mounts(mount_data, WORK "/above", "/data/below of the container holds the socket deep/s");
    expect_mounts(mount_escaped, WORK "/engine", "holds the socket deep/s");
    expect_mounts(mount_covered, WORK "/engine", NULL);
}

Test(surfaces, kernel_file_systems_that_are_mounted)
{
    make_root();
    expect_mounts(mount_host_proc, NULL, "the host's procfs");
    expect_mounts(mount_host_sysfs, NULL, "the host's sysfs");
    expect_mounts(mount_proc_on_data, NULL, "procfs");
    expect_mounts(mount_proc_below_dev, NULL, "/dev/x of the container is the host's procfs");
}

Test(surfaces, mounts_that_are_not_there)
{
    make_root();
    expect_mounts(mount_nothing, NULL, NULL); /* another runtime's order */
    expect_mounts(mount_elsewhere, NULL, "outside of its root file system");
}

/* The number is another process's now. */
Test(surfaces, mounts_of_a_process_that_is_gone)
{
    struct error err = {0};
    struct init gone = {0};
    struct init other = {0};

    make_root();
    gone = start_init(mount_usual);
    other = start_init(mount_usual);
    cr_assert_eq(check_init(&gone, &err), 0, "%s", err.text);
    kill(gone.pid, SIGKILL);
    cr_assert_eq(waitid(P_PIDFD, (id_t)gone.pidfd, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    cr_assert_eq(check_init(&(struct init){.pid = other.pid, .pidfd = gone.pidfd}, &err), -ESRCH, "%s",
                 err.text);
    end_init(&gone);
    end_init(&other);
}

#define SWAPPED WORK "/above/below"

/* Renames a directory below a mounted one for ever, as its owner may: away and back, or exchanged for an
 * innocent one. The mount on it, which only the container has, goes along. */
static pid_t start_attacker(unsigned flags)
{
    static const char *const NAMES[] = {SWAPPED, WORK "/above/other"};
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0;; i = !i)
        renameat2(AT_FDCWD, NAMES[i], AT_FDCWD, NAMES[!i], flags);
}

static void expect_refused_whatever_moves(unsigned flags)
{
    struct error err = {0};
    struct init init = {0};
    pid_t attacker = 0;

    cr_assert_eq(mount(WORK "/engine", SWAPPED, NULL, MS_BIND, NULL), 0);
    data_source = WORK "/above";
    init = start_init(mount_data);
    cr_assert_eq(umount(SWAPPED), 0); /* only the container has it from here on */
    attacker = start_attacker(flags);
    for (int i = 0; i < 3000; i++)
        cr_assert_lt(check_init(&init, &err), 0, "accepted in round %d", i);
    kill(attacker, SIGKILL);
    waitpid(attacker, NULL, 0);
    end_init(&init);
}

/* A mount that moved is not where the list has it: neither nothing nor something else in its place counts. */
Test(surfaces, mounts_that_move_while_they_are_looked_at)
{
    make_root();
    make_directory(WORK "/engine");
    make_directory(WORK "/above");
    make_directory(SWAPPED);
    cr_assert_eq(mknod(WORK "/engine/s", S_IFSOCK | 0666, 0), 0);
    expect_refused_whatever_moves(RENAME_NOREPLACE);
    if (access(SWAPPED, F_OK) < 0)
        cr_assert_eq(rename(WORK "/above/other", SWAPPED), 0);
    make_directory(WORK "/above/other");
    expect_refused_whatever_moves(RENAME_EXCHANGE);
}
