/* SPDX-License-Identifier: Apache-2.0
 *
 * What cannot be sealed, by config and by process: real namespaces, real descriptors. Every refusal names the
 * option to drop. */
#include "base/cleanup.h"
#include "hook/document.h"
#include "hook/late_network.h"
#include "hook/refuse.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct policy_role ROLE = {.name = "agent"};

static json_t *parse(const char *text)
{
    struct error err = {0};
    json_t *document = NULL;

    cr_assert_eq(document_parse(text, strlen(text), "test", &document, &err), 0, "%s: %s", text, err.text);
    return document;
}

#define NAMESPACES "{\"type\":\"network\"},{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"}"
#define CONFIG(namespaces, more)                                                                            \
    "{\"process\":{\"capabilities\":{\"bounding\":[\"CAP_CHOWN\"]}},\"linux\":{\"namespaces\":[" namespaces \
    "]" more "}}"
#define WITH(caps, namespaces)                                                                             \
    "{\"process\":{\"capabilities\":{\"bounding\":[\"" caps "\"]}},\"linux\":{\"namespaces\":[" namespaces \
    "]}}"
#define MAPPED(caps, host_id)                                                                              \
    "{\"process\":{\"capabilities\":{\"bounding\":[\"" caps "\"]}},\"linux\":{\"namespaces\":[" NAMESPACES \
    ",{\"type\":\"user\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":" host_id ",\"size\":1000}]}}"
#define ANNOTATED(key) \
    "{\"process\":{},\"annotations\":{\"" key "\":\"x\"},\"linux\":{\"namespaces\":[" NAMESPACES "]}}"

#define PROC(namespaces, readonly)                                                                    \
    "{\"process\":{},\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}]," \
    "\"linux\":{\"namespaces\":[" namespaces "],\"readonlyPaths\":[" readonly "]}}"

#define PROTECTED "\"/proc/fs\",\"/proc/irq\",\"/proc/sysrq-trigger\""

static int late_network(const char *namespaces, const char *mounts, struct error *err)
{
    char text[512];
    cleanup_json json_t *config = NULL;

    snprintf(text, sizeof(text), "{\"linux\":{\"namespaces\":[%s]},\"mounts\":%s}", namespaces, mounts);
    config = parse(text);
    return refuse_late_network(config, err);
}

Test(refuse, late_network)
{
    static const char *const COMES[] = {"{\"type\":\"network\"},{\"type\":\"user\"}",
                                        "{\"type\":\"network\",\"path\":\"\"},{\"type\":\"user\"}"};
    static const char *const IS_THERE[] = {
        "{\"type\":\"network\"}", "{\"type\":\"network\",\"path\":\"/run/netns/x\"},{\"type\":\"user\"}"};
    static const char NO_RESOLVER[] = "[{\"destination\":\"/etc/hosts\"},{\"destination\":7},{}]";
    static const char RESOLVER[] =
        "[{\"destination\":\"/etc/hosts\"},{\"destination\":\"/etc/resolv.conf\"}]";

    for (size_t i = 0; i < array_size(COMES); i++) {
        struct error err = {0};

        cr_expect_eq(late_network(COMES[i], NO_RESOLVER, &err), 0, "%s", err.text);
        cr_expect_lt(late_network(COMES[i], RESOLVER, &err), 0, "%s", COMES[i]);
        cr_expect_not_null(strstr(err.text, "--network none"), "%s", err.text);
    }
    for (size_t i = 0; i < array_size(IS_THERE); i++) {
        struct error err = {0};

        cr_expect_eq(late_network(IS_THERE[i], RESOLVER, &err), 0, "%s", err.text);
    }
}

Test(refuse, config)
{
    static const struct {
        const char *config;
        const char *reason; /* NULL: sealable */
        const char *advice;
    } CASES[] = {
        {CONFIG(NAMESPACES, ""), NULL, NULL},
        {CONFIG(NAMESPACES ",{\"type\":\"user\"},{\"type\":\"uts\"}", ",\"netDevices\":{}"), NULL, NULL},
        {CONFIG("{\"type\":\"network\",\"path\":\"/run/netns/"
                "x\"},{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"}",
                ""),
         NULL, NULL},
        {CONFIG("{\"type\":\"network\",\"path\":\"/proc/self/ns/"
                "net\"},{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"}",
                ""),
         "host's network", "drop --network host"},
        {CONFIG("{\"type\":\"network\"},{\"type\":\"pid\",\"path\":\"/proc/self/ns/"
                "pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"}",
                ""),
         "host's pid namespace", "drop --pid host"},
        {"{\"process\":{},\"linux\":{}}", "host's network", "--network host"},
        {CONFIG("{\"type\":\"pid\"},{\"type\":\"mount\"}", ""), "host's network", "drop --network host"},
        {CONFIG("{\"type\":\"Network\"},{\"type\":\"pid\"},{\"type\":\"mount\"}", ""), "host's network",
         "drop --network host"},
        {CONFIG("{\"type\":\"network\"},{\"type\":\"mount\"}", ""), "host's pid namespace",
         "drop --pid host"},
        {CONFIG("{\"type\":\"network\"},{\"type\":\"pid\"}", ""), "host's mount namespace",
         "linux.namespaces: mount"},
        {CONFIG("{\"type\":\"network\"},{\"type\":\"pid\"},{\"type\":\"mount\"}", ""), "host's IPC namespace",
         "drop --ipc host"},
        {CONFIG(NAMESPACES ",{\"type\":\"network\",\"path\":\"/run/netns/x\"}", ""),
         "two entries of type `network`", "leave one"},
        {CONFIG(NAMESPACES, ",\"netDevices\":{\"eth1\":{}}"), "netDevices", "drop linux.netDevices"},
        {CONFIG(NAMESPACES, ",\"seccomp\":{\"listenerPath\":\"/run/x\"}"), "listenerPath",
         "from the profile"},
        {CONFIG(NAMESPACES, ",\"seccomp\":{\"listenerPath\":1}"), "listenerPath", "from the profile"},
        {CONFIG(NAMESPACES, ",\"seccomp\":{\"listenerPath\":\"\"}"), NULL, NULL},
        {CONFIG(NAMESPACES, ",\"cgroupsPath\":\"../x\""), "linux.cgroupsPath", "--cgroup-parent"},
        {CONFIG(NAMESPACES, ",\"cgroupsPath\":\"/a//..\""), "linux.cgroupsPath", "--cgroup-parent"},
        {CONFIG(NAMESPACES, ",\"cgroupsPath\":\"/a/../x\""), "linux.cgroupsPath", "--cgroup-parent"},
        {CONFIG(NAMESPACES, ",\"cgroupsPath\":\"/..a/b../c..d/\""), NULL, NULL},
        {CONFIG(NAMESPACES, ",\"cgroupsPath\":\"system.slice:libpod:1\""), NULL, NULL},
        {WITH("CAP_SYS_ADMIN", NAMESPACES), "CAP_SYS_ADMIN", "--cap-drop SYS_ADMIN"},
        {WITH("CAP_SYS_ADMIN", NAMESPACES ",{\"type\":\"user\"}"), NULL, NULL},
        {MAPPED("CAP_SYS_ADMIN", "100000"), NULL, NULL},
        {MAPPED("CAP_SYS_ADMIN", "0"), "CAP_SYS_ADMIN", "--cap-drop SYS_ADMIN"},
        {WITH("CAP_NET_RAW", NAMESPACES), NULL, NULL}, /* removed, not refused */
        {CONFIG(
             NAMESPACES,
             ",\"resources\":{\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":1,\"access\":\"rwm\"}]}"),
         NULL, NULL},
        {CONFIG(NAMESPACES, ",\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":10,\"minor\":200}]"),
         "/dev/net/tun", "--device"},
        {ANNOTATED("run.oci.seccomp_bpf_data"), "run.oci.seccomp_bpf_data", "drop it"},
        {ANNOTATED("run.oci.seccomp.receiver"), "run.oci.seccomp.receiver", "drop it"},
        {ANNOTATED("org.systemd.property.DeviceAllow"), "DeviceAllow", "drop it"},
        {ANNOTATED("run.oci.hooks.stdout"), "run.oci.hooks.stdout", "drop it"},
        {ANNOTATED("run.oci.hooks.stderr"), "run.oci.hooks.stderr", "drop it"},
        {ANNOTATED("run.oci.pidfd_receiver"), "run.oci.pidfd_receiver", "drop it"},
        {ANNOTATED("run.oci.handler"), "run.oci.handler", "drop it"},
        {ANNOTATED("org.criu.config"), "org.criu.config", "drop it"},
        {ANNOTATED("bundle"), "annotation `bundle`", "drop it"},
        {ANNOTATED("bundle=/usr"), "annotation `bundle=/usr`", "drop it"},
        {ANNOTATED("bundles"), NULL, NULL},
        {ANNOTATED("run.oci.keep_original_groups"), NULL, NULL},
        {PROC(NAMESPACES, PROTECTED ",\"/proc/sys\",\"/proc/bus\""), NULL, NULL},
        {PROC(NAMESPACES, "\"/proc\""), NULL, NULL},
        {PROC(NAMESPACES, PROTECTED ",\"/proc/bus\""), "core_pattern", "systempaths=unconfined"},
        {PROC(NAMESPACES, PROTECTED ",\"/proc/sys\""), "/proc/bus", "unmask="},
        {PROC(NAMESPACES, "\"/proc/sys\",\"/proc/bus\",\"/proc/fs\",\"/proc/irq\""), "/proc/sysrq-trigger",
         "unmask="},
        {PROC(NAMESPACES ",{\"type\":\"user\"}", ""), NULL, NULL},
    };
    cleanup_close int bundle = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct error err = {0};
        cleanup_json json_t *config = parse(CASES[i].config);
        int result = refuse_config(config, bundle, &ROLE, &err);

        cr_assert_eq(result < 0, CASES[i].reason != NULL, "%s: %s", CASES[i].config, err.text);
        if (CASES[i].reason == NULL)
            continue;
        cr_assert_not_null(strstr(err.text, CASES[i].reason), "%s: %s", CASES[i].config, err.text);
        cr_assert_not_null(strstr(err.text, CASES[i].advice), "%s: %s", CASES[i].config, err.text);
    }
}

/* A user namespace excuses nothing there. */
Test(refuse, net_admin_that_nobody_removed)
{
    static const char *const BAD[] = {"CAP_NET_ADMIN", "cap_net_admin", "12"};
    struct error err = {0};
    cleanup_json json_t *good = parse(WITH("CAP_NET_RAW", NAMESPACES));

    cr_assert_eq(refuse_net_admin(good, &err), 0, "%s", err.text);
    for (size_t i = 0; i < array_size(BAD); i++) {
        cleanup_json json_t *config = json_pack("{s:{s:{s:[s]}}, s:{s:[{s:s}]}}", "process", "capabilities",
                                                "ambient", BAD[i], "linux", "namespaces", "type", "user");

        cr_assert_lt(refuse_net_admin(config, &err), 0, "%s", BAD[i]);
        cr_assert_not_null(strstr(err.text, "--cap-drop NET_ADMIN"), "%s", err.text);
    }
}

/* A process that waits as a container's init does: in namespaces of its own, with one descriptor more. */
struct init {
    pid_t pid;
    int pidfd;
};

/* Starts it. `flags`: the namespaces it makes. `open_one` makes the descriptor, -1 with errno if it cannot.
 */
static struct init start_init(int flags, int (*open_one)(void))
{
    struct init init = {.pid = -1, .pidfd = -1};
    int ready[2];
    char byte = 0;

    cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
    /* As clone(2) with new namespaces does it: the child is the first process of its pid namespace. */
    init.pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
    cr_assert_geq(init.pid, 0, "clone: %s", strerror(errno));
    if (init.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        byte = open_one != NULL && open_one() < 0 ? 'n' : 'y';
        if (write(ready[1], &byte, 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    cr_assert_eq(byte, 'y', "the process could not be set up");
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

enum { OWN = CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC };

static void expect_process(int flags, int (*open_one)(void), const char *config_text, const char *reason,
                           const char *advice)
{
    struct init init = start_init(flags, open_one);
    cleanup_json json_t *config = parse(config_text);
    struct error err = {0};
    int result = refuse_process(init.pid, init.pidfd, config, &err);

    end_init(&init);
    cr_assert_eq(result < 0, reason != NULL, "%s (wanted: %s)", err.text, reason);
    if (reason != NULL) {
        cr_assert_not_null(strstr(err.text, reason), "%s", err.text);
        cr_assert_not_null(strstr(err.text, advice), "%s", err.text);
    }
}

Test(refuse, process_in_namespaces_of_the_host)
{
    static const char PLAIN[] = "{\"linux\":{}}";
    static const char USER[] = "{\"linux\":{\"namespaces\":[{\"type\":\"user\"}]}}";

    expect_process(OWN, NULL, PLAIN, NULL, NULL);
    expect_process(OWN & ~CLONE_NEWNET, NULL, PLAIN, "host's net namespace", "drop --network host");
    expect_process(OWN & ~CLONE_NEWPID, NULL, PLAIN, "host's pid namespace", "drop --pid host");
    expect_process(OWN & ~CLONE_NEWNS, NULL, PLAIN, "host's mnt namespace", "mount namespace");
    expect_process(OWN & ~CLONE_NEWIPC, NULL, PLAIN, "host's ipc namespace", "drop --ipc host");
    expect_process(OWN, NULL, USER, "host's user namespace", "drop --userns host");
    expect_process(OWN | CLONE_NEWUSER, NULL, USER, NULL, NULL);
}

/* A socket of the host's network namespace, made by the test before the child leaves it. */
static int inherited = -1;

static int inherit(void)
{
    return fcntl(inherited, F_GETFD);
}

Test(refuse, inherited_sockets)
{
    static const struct {
        int domain;
        int type;
        int protocol;
        const char *reason;
    } SOCKETS[] = {
        {AF_INET, SOCK_STREAM, 0, "an internet socket"},
        {AF_INET, SOCK_DGRAM, 0, "an internet socket"},
        {AF_INET6, SOCK_STREAM, 0, "an internet socket"},
        {AF_INET, SOCK_RAW, IPPROTO_ICMP, "an internet socket"},
        {AF_PACKET, SOCK_RAW, 0, "a packet socket"},
        {AF_NETLINK, SOCK_RAW, 0, "a netlink socket"},
        {AF_VSOCK, SOCK_STREAM, 0, "a vsock socket"},
        {AF_UNIX, SOCK_STREAM, 0, NULL},
        {AF_UNIX, SOCK_SEQPACKET, 0, NULL},
    };
    size_t tried = 0;

    for (size_t i = 0; i < array_size(SOCKETS); i++) {
        inherited = socket(SOCKETS[i].domain, SOCKETS[i].type | SOCK_CLOEXEC, SOCKETS[i].protocol);
        if (inherited < 0 && errno == EAFNOSUPPORT && SOCKETS[i].domain == AF_VSOCK)
            continue; /* a kernel without vsock has none to inherit */
        cr_assert_geq(inherited, 0, "socket %d: %s", SOCKETS[i].domain, strerror(errno));
        expect_process(OWN, inherit, "{}", SOCKETS[i].reason, "drop --preserve-fds");
        close(inherited);
        tried++;
    }
    cr_assert_geq(tried, array_size(SOCKETS) - 1);
}

static int open_io_uring(void)
{
    struct io_uring_params parameters = {0};

    return (int)syscall(SYS_io_uring_setup, 1, &parameters);
}

/* By a name that says nothing: the number counts. */
static int open_tun(void)
{
    static const char NODE[] = "/run/sallyport-unit-innocent";
    int fd = -1;

    if (mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0 || mknod(NODE, S_IFCHR | 0600, makedev(10, 200)) < 0)
        return -1;
    fd = open(NODE, O_RDWR);
    return fd;
}

static int open_harmless(void)
{
    int ends[2];

    return pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && eventfd(0, 0) >= 0 &&
                   epoll_create1(0) >= 0 && open("/dev/null", O_RDWR) >= 0 && open("/", O_PATH) >= 0
               ? 0
               : -1;
}

Test(refuse, inherited_descriptors)
{
    expect_process(OWN, open_io_uring, "{}", "an io_uring instance", "drop --preserve-fds");
    expect_process(OWN, open_tun, "{}", "/dev/net/tun", "drop --preserve-fds");
    expect_process(OWN, open_harmless, "{}", NULL, NULL);
}

/* Neither a number that nobody has nor one that somebody else has now is taken for the container. */
Test(refuse, process_that_is_gone)
{
    struct init init = start_init(OWN, NULL);
    cleanup_json json_t *config = parse("{}");
    struct error err = {0};
    bool others = false;
    bool other_network = false;

    kill(init.pid, SIGKILL);
    waitpid(init.pid, NULL, 0);
    cr_assert_lt(refuse_process(init.pid, init.pidfd, config, &err), 0);
    cr_assert_lt(refuse_others_in_namespace(init.pid, "net", &others, &other_network, &err), 0);
    close(init.pidfd);
}

/* In the namespaces of another process, as `--network container:` and `--pid container:` do. */
static int joined_pidfd = -1;
static int joined_flags = 0;

static int join(void)
{
    return setns(joined_pidfd, joined_flags);
}

Test(refuse, others_in_a_joined_namespace)
{
    struct error err = {0};
    struct init first = start_init(OWN, NULL);
    struct init same = {0};
    struct init apart = {0};
    bool others = true;
    bool other_network = true;

    cr_assert_eq(refuse_others_in_namespace(first.pid, "net", &others, &other_network, &err), 0, "%s",
                 err.text);
    cr_expect_not(others, "alone");
    cr_expect_not(other_network);
    joined_pidfd = first.pidfd;
    joined_flags = CLONE_NEWNET;
    same = start_init(CLONE_NEWPID | CLONE_NEWNS, join);
    cr_assert_eq(refuse_others_in_namespace(same.pid, "net", &others, &other_network, &err), 0, "%s",
                 err.text);
    cr_expect(others);
    cr_expect_not(other_network);
    cr_assert_eq(refuse_others_in_namespace(same.pid, "pid", &others, &other_network, &err), 0, "%s",
                 err.text);
    cr_expect_not(others, "its pid namespace is its own");
    end_init(&same);
    /* Another mount namespace member in another network. */
    joined_flags = CLONE_NEWNS;
    apart = start_init(CLONE_NEWPID | CLONE_NEWNET, join);
    cr_assert_eq(refuse_others_in_namespace(apart.pid, "mnt", &others, &other_network, &err), 0, "%s",
                 err.text);
    cr_expect(others);
    cr_expect(other_network);
    end_init(&apart);
    end_init(&first);
}

static int thread_ready = -1;

/* A thread that enters the namespace alone, while its process stays where it was. */
static void *enter_alone(void *unused)
{
    char byte = join() < 0 ? 'n' : 'y';

    if (write(thread_ready, &byte, 1) == 1)
        pause();
    return unused;
}

static void *wait_here(void *unused)
{
    if (write(thread_ready, "y", 1) == 1)
        pause();
    return unused;
}

/* Ends the first thread while another runs on: /proc/PID/ns is empty then. */
static void end_first_thread(void *(*rest)(void *))
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, rest, NULL) != 0)
        _exit(1);
    if (rest == enter_alone)
        pause();
    syscall(SYS_exit, 0); /* of this thread only */
}

static pid_t start_threads(void *(*rest)(void *), bool in_container)
{
    int ready[2];
    char byte = 0;
    pid_t pid = -1;

    cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
    thread_ready = ready[1];
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if ((rest == wait_here && join() < 0) || (in_container && unshare(CLONE_NEWNS) < 0))
            _exit(1);
        end_first_thread(rest);
    }
    close(ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(byte, 'y');
    close(ready[0]);
    return pid;
}

/* Waits until the process's first thread is a zombie, at most 5 s. */
static bool first_thread_ended(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    for (unsigned i = 0; i < 5000; i++) {
        struct stat st;

        if (stat(path, &st) < 0)
            return true;
        usleep(1000);
    }
    return false;
}

/* But for those of an engine, which is of the host and has made the namespace: then it has others elsewhere.
 */
Test(refuse, every_thread_counts)
{
    static const struct {
        void *(*rest)(void *);
        bool in_container;
        bool counts;
    } CASES[] = {{wait_here, false, true},
                 {wait_here, true, true},
                 {enter_alone, true, true},
                 {enter_alone, false, false}};

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct init init = start_init(OWN, NULL);
        struct error err = {0};
        bool others = false;
        bool other_network = false;
        pid_t pid = -1;

        joined_pidfd = init.pidfd;
        joined_flags = CLONE_NEWNET;
        pid = start_threads(CASES[i].rest, CASES[i].in_container);
        if (CASES[i].rest == wait_here)
            cr_expect(first_thread_ended(pid));
        cr_assert_eq(refuse_others_in_namespace(init.pid, "net", &others, &other_network, &err), 0, "%s",
                     err.text);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        end_init(&init);
        cr_assert_eq(others, CASES[i].counts, "case %zu", i);
    }
}
