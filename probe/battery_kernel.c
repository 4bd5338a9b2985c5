/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups "abi", "uring", "namespaces" and "bpf": system calls that go around a filter, or around the
 * namespace. */
#include "probe/battery.h"

#include "probe/system_calls.h"

#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FOREIGN_NAMESPACES = 16 };

/* What is tried, as a table: a call with its data. */
struct named_call {
    const char *name;
    const char *tried;
    int (*function)(void *data);
    const void *data;
};

static void try_calls_expecting(struct battery *battery, const struct named_call *calls, size_t count,
                                enum seen expect)
{
    for (size_t i = 0; i < count; i++) {
        const struct call call = {calls[i].function, calls[i].data};

        battery_try(battery, &(struct attempt){.name = calls[i].name,
                                               .tried = calls[i].tried,
                                               .expect = expect,
                                               .run = battery_run_call,
                                               .data = &call});
    }
}

static void try_calls(struct battery *battery, const struct named_call *calls, size_t count)
{
    try_calls_expecting(battery, calls, count, SEEN_CLOSED);
}

static const struct triple STREAM = {AF_INET, SOCK_STREAM, 0};
static const struct triple PACKET = {AF_PACKET, SOCK_RAW, 0x0300};
static const struct triple VSOCK = {AF_VSOCK, SOCK_STREAM, 0};
static const struct triple RAW = {AF_INET, SOCK_RAW, IPPROTO_RAW};

static int try_x32(void *data)
{
    int error = try_x32_socket(data);

    return error == ENOSYS ? EOPNOTSUPP : error; /* most kernels are built without it: no proof of a filter */
}

void battery_abi(struct battery *battery)
{
    static const struct named_call CALLS[] = {
        {"i386-socket-packet", "socket(AF_PACKET) by int 0x80", try_int80_socket, &PACKET},
        {"i386-socket-raw", "a raw socket by int 0x80", try_int80_socket, &RAW},
        {"i386-socket-vsock", "socket(AF_VSOCK) by int 0x80", try_int80_socket, &VSOCK},
        {"i386-socketcall-packet", "socketcall for AF_PACKET by int 0x80", try_int80_socketcall, &PACKET},
        {"i386-socketcall-raw", "socketcall for a raw socket by int 0x80", try_int80_socketcall, &RAW},
        {"i386-socketcall-vsock", "socketcall for AF_VSOCK by int 0x80", try_int80_socketcall, &VSOCK},
        {"x32-socket-packet", "socket(AF_PACKET) of the x32 ABI", try_x32, &PACKET},
        {"x32-socket-raw", "a raw socket of the x32 ABI", try_x32, &RAW},
        {"x32-socket-vsock", "socket(AF_VSOCK) of the x32 ABI", try_x32, &VSOCK},
    };

#ifdef __x86_64__
    try_calls(battery, CALLS, array_size(CALLS));
#else
    for (size_t i = 0; i < array_size(CALLS); i++)
        battery_impossible(battery, CALLS[i].name, CALLS[i].tried,
                           "this machine has one table of system calls");
#endif
}

void battery_uring(struct battery *battery)
{
    static const struct named_call CALLS[] = {
        {"socket-stream", "an ordinary socket by io_uring", try_io_uring_socket, &STREAM},
        {"socket-packet", "a packet socket by io_uring", try_io_uring_socket, &PACKET},
        {"socket-raw", "a raw socket by io_uring", try_io_uring_socket, &RAW},
        {"socket-vsock", "an AF_VSOCK socket by io_uring", try_io_uring_socket, &VSOCK},
    };

    try_calls(battery, CALLS, array_size(CALLS));
}

/* As /proc/PID/ns has them. */
static const char *const KINDS[] = {"net", "mnt", "pid", "ipc", "uts", "cgroup", "time", "user"};

/* A file says which namespace it is by its inode. */
static ino_t namespace_of(const char *process, const char *kind, char *ret_path, size_t size)
{
    struct stat status;

    snprintf(ret_path, size, "/proc/%.16s/ns/%s", process, kind);
    return stat(ret_path, &status) == 0 ? status.st_ino : 0;
}

/* Namespaces of other processes that were tried already, and our own. */
struct known {
    ino_t inodes[FOREIGN_NAMESPACES + array_size(KINDS)];
    size_t count;
    size_t own;
};

static bool is_new(struct known *known, ino_t inode)
{
    for (size_t i = 0; i < known->count; i++)
        if (known->inodes[i] == inode)
            return false;
    if (inode == 0 || known->count == sizeof(known->inodes) / sizeof(known->inodes[0]))
        return false;
    known->inodes[known->count++] = inode;
    return true;
}

static void try_process(struct battery *battery, const char *process, struct known *known)
{
    for (size_t i = 0; i < array_size(KINDS); i++) {
        char path[64];
        char name[80];

        if (!is_new(known, namespace_of(process, KINDS[i], path, sizeof(path))))
            continue;
        snprintf(name, sizeof(name), "setns-foreign-%s-%zu", KINDS[i], known->count - known->own);
        try_calls(battery, &(struct named_call){name, path, try_setns, path}, 1);
    }
}

/* Every namespace that is not ours and that a process here lives in. */
static void try_foreign_namespaces(struct battery *battery)
{
    DIR *processes = opendir("/proc");
    const struct dirent *entry = NULL;
    struct known known = {.count = 0};
    char path[64];

    for (size_t i = 0; i < array_size(KINDS); i++)
        is_new(&known, namespace_of("self", KINDS[i], path, sizeof(path)));
    known.own = known.count;
    while (processes != NULL && (entry = readdir(processes)) != NULL)
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
            try_process(battery, entry->d_name, &known);
    if (processes != NULL)
        closedir(processes);
    if (known.count == known.own)
        battery_impossible(battery, "setns-foreign", "setns to the namespaces of others",
                           processes == NULL ? "no /proc here"
                                             : "no process that can be seen is in another one");
}

void battery_namespaces(struct battery *battery)
{
    static const uint64_t USER = CLONE_NEWUSER;
    static const uint64_t NET = CLONE_NEWNET;
    static const uint64_t BOTH = CLONE_NEWUSER | CLONE_NEWNET;
    static const struct named_call CALLS[] = {
        {"unshare-user", "unshare of the user namespace", try_unshare, &USER},
        {"unshare-net", "unshare of the network namespace", try_unshare, &NET},
        {"unshare-both", "unshare of user and network namespace", try_unshare, &BOTH},
        {"clone-user", "clone with a new user namespace", try_clone, &USER},
        {"clone-net", "clone with a new network namespace", try_clone, &NET},
        {"clone-both", "clone with both", try_clone, &BOTH},
        {"clone3-user", "clone3 with a new user namespace", try_clone3, &USER},
        {"clone3-net", "clone3 with a new network namespace", try_clone3, &NET},
        {"clone3-both", "clone3 with both", try_clone3, &BOTH},
    };
    static const struct named_call INIT = {"setns-init", "setns to the network namespace of process 1",
                                           try_setns, "/proc/1/ns/net"};

    /* A child namespace has no way out of its own: where the policy allows it, it is no leak. */
    try_calls_expecting(battery, CALLS, array_size(CALLS),
                        battery->nested.count > 0 ? SEEN_EITHER : SEEN_CLOSED);
    try_calls(battery, &INIT, 1);
    /* Not the user namespace: nobody may enter again the one that he is in. */
    for (size_t i = 0; i + 1 < array_size(KINDS); i++) {
        char path[64];
        char name[32];

        snprintf(path, sizeof(path), "/proc/self/ns/%s", KINDS[i]);
        snprintf(name, sizeof(name), "setns-own-%s", KINDS[i]);
        try_calls(battery, &(struct named_call){name, path, try_setns, path}, 1);
    }
    try_foreign_namespaces(battery);
}

/* "return 0" is a valid program of every type here. */
static int try_load(void *data)
{
    static const struct bpf_insn PROGRAM[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
                                              {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attributes = {.prog_type = *(const uint32_t *)data,
                                 .insn_cnt = 2,
                                 .insns = (uint64_t)(uintptr_t)PROGRAM,
                                 .license = (uint64_t)(uintptr_t) "Apache-2.0"};

    return syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes)) < 0 ? errno : 0;
}

/* Everything that runs on the first processor, whoever it belongs to. */
static int try_perf(void *data)
{
    struct perf_event_attr attributes = {
        .size = sizeof(attributes), .type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_CONTEXT_SWITCHES};
    (void)data;

    return syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC) < 0 ? errno : 0;
}

void battery_bpf(struct battery *battery)
{
    static const uint32_t CLASSIFIER = BPF_PROG_TYPE_SCHED_CLS;
    static const uint32_t XDP = BPF_PROG_TYPE_XDP;
    static const uint32_t CGROUP = BPF_PROG_TYPE_CGROUP_SKB;
    static const struct named_call CALLS[] = {
        {"load-classifier", "bpf(2) to load a traffic classifier", try_load, &CLASSIFIER},
        {"load-xdp", "bpf(2) to load an XDP program", try_load, &XDP},
        {"load-cgroup", "bpf(2) to load a cgroup filter", try_load, &CGROUP},
        {"perf-event", "perf_event_open of a whole processor", try_perf, NULL},
    };

    try_calls(battery, CALLS, array_size(CALLS));
}
