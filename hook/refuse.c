/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/refuse.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/capabilities.h"
#include "hook/config.h"
#include "hook/process.h"
#include "hook/surfaces.h"

#include <string.h>
#include <sys/stat.h>

/* Annotations come from whoever starts the container, and these reach past the config that is checked and
 * edited here: crun(1) takes a filter of its own from run.oci.seccomp_bpf_data and ignores linux.seccomp,
 * writes what hooks say (names that the starter chose among it) to any file of the host, tells any socket of
 * the host about the process, and lets another program than the kernel run it; runc and crun hand
 * org.systemd.property.* to systemd, DeviceAllow included, and CRIU, at a checkpoint, a file of options
 * (org.criu.config) that has it write and execute files of the host. runc keeps annotations as "NAME=VALUE",
 * and its bundle behind them as "bundle=PATH": of two such, its exec reads the first one's config.json
 * (libcontainer/utils/utils.go, SearchLabels). */
static bool goes_past_config(const char *annotation)
{
    static const char *const PREFIXES[] = {"run.oci.seccomp",
                                           "run.oci.hooks.",
                                           "run.oci.pidfd_receiver",
                                           "run.oci.handler",
                                           "org.systemd.property.Device",
                                           "org.criu."};

    for (size_t i = 0; i < array_size(PREFIXES); i++)
        if (strncmp(annotation, PREFIXES[i], strlen(PREFIXES[i])) == 0)
            return true;
    return strcspn(annotation, "=") == strlen("bundle") &&
           strncmp(annotation, "bundle", strlen("bundle")) == 0;
}

static int check_annotations(const json_t *config, struct error *err)
{
    json_t *annotations = json_object_get(config, "annotations");
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach(annotations, key, value)
    {
        if (!goes_past_config(key))
            continue;
        error_set(err, 0, "annotation `%s` tells the runtime to go past the container's config", key);
        return error_advise(err, "drop it");
    }
    return 0;
}

/* Whoever listens there is handed the container's calls, and may answer them with descriptors of his
 * (seccomp_unotify(2), SECCOMP_IOCTL_NOTIF_ADDFD): sockets of the host's network. */
static int check_supervisor(const json_t *config, struct error *err)
{
    const json_t *profile = json_object_get(json_object_get(config, "linux"), "seccomp");
    const json_t *path = json_object_get(profile, "listenerPath");

    if (path == NULL || json_is_null(path) || (json_is_string(path) && json_string_length(path) == 0))
        return 0;
    error_set(err, 0,
              "linux.seccomp.listenerPath leaves calls of the container to a program of the host, which can "
              "hand it sockets");
    return error_advise(err, "drop it from the profile (--security-opt seccomp=...)");
}

/* crun walks up by it: to a directory of the starter's choice whose files are no cgroup's, and without rules
 * for devices. runc stays below the cgroups. */
static int check_cgroup(const json_t *config, struct error *err)
{
    const char *path = json_string_value(json_object_get(json_object_get(config, "linux"), "cgroupsPath"));

    while (path != NULL) {
        path += strspn(path, "/");
        if (strcmp(path, "..") == 0 || strncmp(path, "../", strlen("../")) == 0) {
            error_set(err, 0, "linux.cgroupsPath has `..` in it, and may lead out of the cgroups");
            return error_advise(err, "name the cgroup without it (--cgroup-parent)");
        }
        path = strchr(path, '/');
    }
    return 0;
}

/* Whether the entry of linux.namespaces is none, or leads to the one that we are in: Docker writes --network
 * host as a path. A path that leads nowhere is the runtime's to complain of. */
static bool is_host(const json_t *entry, const char *kind)
{
    const char *path = json_string_value(json_object_get(entry, "path"));
    struct stat own;
    struct stat theirs;

    if (entry == NULL)
        return true;
    return path != NULL && path[0] != '\0' && stat(path, &theirs) == 0 &&
           process_stat_namespace("self", kind, &own) == 0 && file_same(&own, &theirs);
}

static int check_namespaces(const json_t *config, struct error *err)
{
    static const struct {
        const char *type;
        const char *kind; /* in /proc/PID/ns */
        const char *why;
        const char *advice;
    } NEEDED[] = {
        {"network", "net", "network", "drop --network host"},
        {"pid", "pid", "pid namespace, where it can take over other processes", "drop --pid host"},
        {"mount", "mnt", "mount namespace, with every socket of the host in reach",
         "give it one (linux.namespaces: mount)"},
        {"ipc", "ipc", "IPC namespace, and with it the message queues of other programs", "drop --ipc host"},
    };

    for (size_t i = 0; i < array_size(NEEDED); i++) {
        if (!is_host(config_namespace(config, NEEDED[i].type), NEEDED[i].kind))
            continue;
        error_set(err, 0, "the container uses the host's %s", NEEDED[i].why);
        return error_advise(err, "%s", NEEDED[i].advice);
    }
    return 0;
}

static bool is_proc(const json_t *mount)
{
    const char *type = json_string_value(json_object_get(mount, "type"));

    return type != NULL && strcmp(type, "proc") == 0;
}

/* Whether the config makes the path read-only. */
static bool is_protected(const json_t *config, const char *wanted)
{
    const json_t *paths = json_object_get(json_object_get(config, "linux"), "readonlyPaths");

    for (size_t i = 0; i < json_array_size(paths); i++) {
        const char *path = json_string_value(json_array_get(paths, i));

        if (path != NULL && (strcmp(path, wanted) == 0 || strcmp(path, "/proc") == 0))
            return true;
    }
    return false;
}

/* The host's root may write there whatever its capabilities. All engines protect these five; Podman's
 * --security-opt unmask=PATH takes away one of them. */
static int check_proc(const json_t *config, struct error *err)
{
    static const struct {
        const char *path;
        const char *why;
    } FILES[] = {
        {"/proc/sys", "and so kernel.core_pattern, the program that the kernel runs on the host (core(5))"},
        {"/proc/bus", "and so the registers of the host's cards"},
        {"/proc/fs", "and so the host's file systems"},
        {"/proc/irq", "and so the host's interrupts"},
        {"/proc/sysrq-trigger", "and so stop the host"},
    };
    const json_t *mounts = json_object_get(config, "mounts");
    bool mounted = false;

    for (size_t i = 0; i < json_array_size(mounts); i++)
        mounted = mounted || is_proc(json_array_get(mounts, i));
    for (size_t i = 0; mounted && i < array_size(FILES); i++) {
        if (is_protected(config, FILES[i].path))
            continue;
        error_set(err, 0, "the container can write %s, %s", FILES[i].path, FILES[i].why);
        return error_advise(err,
                            "add %s to linux.readonlyPaths (drop --security-opt systempaths=unconfined or "
                            "unmask=...)",
                            FILES[i].path);
    }
    return 0;
}

/* Which namespace is meant by a second entry of a type is for each runtime to say: runc refuses it, crun
 * takes the last. */
static int check_duplicates(const json_t *config, struct error *err)
{
    const json_t *namespaces = json_object_get(json_object_get(config, "linux"), "namespaces");

    for (size_t i = 0; i < json_array_size(namespaces); i++) {
        const json_t *entry = json_array_get(namespaces, i);
        const char *type = json_string_value(json_object_get(entry, "type"));

        if (type == NULL)
            return error_set(err, 0, "config.json: an entry of linux.namespaces has no type");
        if (config_namespace(config, type) == entry)
            continue;
        error_set(err, 0, "config.json: linux.namespaces has two entries of type `%s`", type);
        return error_advise(err, "leave one of them");
    }
    return 0;
}

int refuse_host_root(const json_t *config, struct error *err)
{
    int result = capabilities_check(json_object_get(json_object_get(config, "process"), "capabilities"), err);

    return result < 0 ? result : check_proc(config, err);
}

int refuse_config(const json_t *config, int bundle, const struct policy_role *role, struct error *err)
{
    int result = check_duplicates(config, err);

    if (result == 0)
        result = check_namespaces(config, err);
    if (result == 0)
        result = check_annotations(config, err);
    if (result == 0)
        result = check_supervisor(config, err);
    if (result == 0)
        result = check_cgroup(config, err);
    if (result < 0)
        return result;
    if (json_object_size(json_object_get(json_object_get(config, "linux"), "netDevices")) > 0) {
        error_set(err, 0, "linux.netDevices gives the container devices of the host");
        return error_advise(err, "drop linux.netDevices from the config");
    }
    if (!config_has_user_namespace(config) || config_maps_host_root(config))
        result = refuse_host_root(config, err);
    return result < 0 ? result : surfaces_check(config, bundle, role, err);
}

int refuse_net_admin(const json_t *config, struct error *err)
{
    if (!capabilities_have_net_admin(json_object_get(json_object_get(config, "process"), "capabilities")))
        return 0;
    error_set(err, 0, "the container keeps CAP_NET_ADMIN, with which it can undo every wall");
    return error_advise(
        err, "drop it (--cap-drop NET_ADMIN), or let sallyport edit the config (sallyport-runtime, "
             "the precreate hook, or `sallyport bundle`)");
}
