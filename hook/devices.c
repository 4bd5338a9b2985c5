/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/devices.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/document.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

/* Patterns of glob(7): what is there now gives the numbers, which are assigned dynamically. */
static const char *const DEVICES[] = {
    "/dev/net/tun",      "/dev/tap*", "/dev/vhost-*",  "/dev/vsock", "/dev/vfio/*",   "/dev/vfio/devices/*",
    "/dev/infiniband/*", "/dev/uio*", "/dev/sg[0-9]*", "/dev/bsg/*", "/dev/ng[0-9]*", "/dev/mtd[0-9]*",
};

/* Those of them that take commands of SCSI and NVMe, or are flash memory: disks that are no block devices. */
static const char *const DISKS[] = {"/dev/sg", "/dev/bsg", "/dev/ng", "/dev/mtd"};

/* One path for each directory that holds such devices, whether or not they are there now. */
static const char *const DIRECTORIES[] = {"/dev",     "/dev/net",          "/dev/vfio",
                                          "/dev/bsg", "/dev/vfio/devices", "/dev/infiniband"};

/* Fixed numbers, for nodes that do not exist on the host at the moment (kernel:
 * Documentation/admin-guide/devices.txt, include/linux/miscdevice.h). */
static const struct {
    unsigned major;
    int minor; /* -1: any */
    const char *name;
    bool by_default; /* runc 1.1 and containerd let every container open it: harmless without CAP_NET_ADMIN */
} NUMBERS[] = {
    {10, 200, "/dev/net/tun", true},      {10, 238, "/dev/vhost-net", false},
    {10, 241, "/dev/vhost-vsock", false}, {231, -1, "/dev/infiniband", false},
    {21, -1, "/dev/sg", false},           {90, -1, "/dev/mtd", false},
};

/* Memory (/dev/null), terminals: these numbers are never assigned to anything else (devices.txt), and almost
 * every descriptor of a waiting init is one of theirs. */
static bool is_harmless(json_int_t class)
{
    return class == 1 || class == 4 || class == 5 || (class >= 136 && class <= 143);
}

const char *devices_find(const struct stat *node)
{
    const char *name = NULL;

    if (!S_ISCHR(node->st_mode) || is_harmless(major(node->st_rdev)))
        return NULL;
    for (size_t i = 0; i < array_size(NUMBERS); i++)
        if (major(node->st_rdev) == NUMBERS[i].major &&
            (NUMBERS[i].minor < 0 || minor(node->st_rdev) == (unsigned)NUMBERS[i].minor))
            return NUMBERS[i].name;
    for (size_t i = 0; i < array_size(DEVICES) && name == NULL; i++) {
        glob_t found = {0};

        (void)glob(DEVICES[i], GLOB_NOSORT, NULL, &found);
        for (size_t k = 0; k < found.gl_pathc; k++) {
            struct stat st;

            if (stat(found.gl_pathv[k], &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == node->st_rdev)
                name = DEVICES[i];
        }
        globfree(&found);
    }
    return name;
}

const char *devices_below(const struct stat *directory)
{
    for (size_t i = 0; i < array_size(DIRECTORIES); i++) {
        struct stat st;

        if (stat(DIRECTORIES[i], &st) == 0 && file_same(&st, directory))
            return i == 0 ? DEVICES[0] : DIRECTORIES[i];
    }
    return NULL;
}

static bool is_disk(const char *device)
{
    for (size_t i = 0; i < array_size(DISKS); i++)
        if (strncmp(DISKS[i], device, strlen(DISKS[i])) == 0)
            return true;
    return false;
}

int devices_refuse(const char *what, const char *device, struct error *err)
{
    error_set(err, 0, "%s is or holds %s, a device that %s", what, device,
              is_disk(device) ? "writes to disks of the host" : "carries packets");
    return error_advise(err, "drop it (--device, --device-cgroup-rule, --volume) from the container");
}

/* Who writes to a disk needs neither packets nor a mount: the host's next program is his. */
static int refuse_disk(const char *what, struct error *err)
{
    error_set(err, 0, "%s gives the container disks of the host, and with them every file", what);
    return error_advise(err, "drop it (--device, --device-cgroup-rule), and mount a directory instead");
}

/* Whether the type is one of these letters. crun looks at the first one of a longer word. */
static bool is_type(const char *type, const char *letters)
{
    return type[0] != '\0' && type[1] == '\0' && strchr(letters, type[0]) != NULL;
}

/* linux.devices: a node that the runtime makes. */
static int check_entry(const json_t *device, struct error *err)
{
    const char *path = json_string_value(json_object_get(device, "path"));
    const char *type = json_string_value(json_object_get(device, "type"));
    const json_t *major_number = json_object_get(device, "major");
    const json_t *minor_number = json_object_get(device, "minor");
    struct stat node = {.st_mode = S_IFCHR};
    const char *found = NULL;
    char what[PATH_MAX + 16];

    if (path == NULL || type == NULL)
        return error_set(err, 0, "config.json: a device in linux.devices has no path or no type");
    snprintf(what, sizeof(what), "device %s", path);
    if (!is_type(type, "bcup"))
        return error_set(err, 0, "config.json: device %s has a type other than b, c, u, p", path);
    if (type[0] == 'b')
        return refuse_disk(what, err);
    if (type[0] == 'p')
        return 0; /* a pipe */
    if (!json_is_integer(major_number) || !json_is_integer(minor_number))
        return error_set(err, 0, "config.json: device %s has no number", path);
    /* Cut as mknod(2) cuts them: 12 and 20 bits. */
    node.st_rdev = makedev((unsigned)json_integer_value(major_number) & 0xfffU,
                           (unsigned)json_integer_value(minor_number) & 0xfffffU);
    found = devices_find(&node);
    return found != NULL ? devices_refuse(what, found, err) : 0;
}

/* Whether a rule's number stands for any: absent, or negative. */
static bool is_any(const json_t *number)
{
    return !json_is_integer(number) || json_integer_value(number) < 0;
}

/* Whether a rule's number covers the device's (-1: any). */
static bool covers(const json_t *number, int wanted)
{
    return is_any(number) || wanted < 0 || json_integer_value(number) == wanted;
}

static const char RULE[] = "a rule for devices (linux.resources.devices)";

/* The same for the devices that are there now, whose numbers are assigned dynamically (/dev/vsock). */
static int check_rule_now(const json_t *rule, struct error *err)
{
    const json_t *class = json_object_get(rule, "major");
    int result = 0;

    if (!is_any(class) && is_harmless(json_integer_value(class)))
        return 0; /* engines have a dozen such rules, and /dev would be read for each */
    for (size_t i = 0; i < array_size(DEVICES) && result == 0; i++) {
        glob_t found = {0};

        if (strcmp(DEVICES[i], "/dev/net/tun") == 0)
            continue; /* granted by default, see NUMBERS */
        (void)glob(DEVICES[i], GLOB_NOSORT, NULL, &found);
        for (size_t k = 0; k < found.gl_pathc && result == 0; k++) {
            struct stat st;

            if (stat(found.gl_pathv[k], &st) == 0 && S_ISCHR(st.st_mode) &&
                covers(json_object_get(rule, "major"), (int)major(st.st_rdev)) &&
                covers(json_object_get(rule, "minor"), (int)minor(st.st_rdev)))
                result = devices_refuse(RULE, DEVICES[i], err);
        }
        globfree(&found);
    }
    return result;
}

static int check_rule_packets(const json_t *rule, struct error *err)
{
    for (size_t i = 0; i < array_size(NUMBERS); i++)
        if (!NUMBERS[i].by_default && covers(json_object_get(rule, "major"), (int)NUMBERS[i].major) &&
            covers(json_object_get(rule, "minor"), NUMBERS[i].minor))
            return devices_refuse(RULE, NUMBERS[i].name, err);
    return check_rule_now(rule, err);
}

/* linux.resources.devices: what the container may open. With such a rule a node from the image (or from
 * mknod, which engines allow by default) is as good as one from the host. A rule for all ("a") gives all,
 * whatever else it says: so do cgroups of version 1 read it (kernel: devcgroup_update_access), and runc. */
static int check_rule(const json_t *rule, struct error *err)
{
    const json_t *said = json_object_get(rule, "type");
    const char *type = said == NULL || json_is_null(said) ? "a" : json_string_value(said);
    const char *access = json_string_value(json_object_get(rule, "access"));
    int result = 0;

    if (!json_is_object(rule) || !json_is_boolean(json_object_get(rule, "allow")))
        return error_set(err, 0, "config.json: a rule in linux.resources.devices does not say `allow`");
    if (type == NULL || !is_type(type, "abc"))
        return error_set(err, 0,
                         "config.json: a rule in linux.resources.devices has a type other than a, b, c");
    if (json_is_false(json_object_get(rule, "allow")) ||
        (type[0] != 'a' && access != NULL && strpbrk(access, "rw") == NULL))
        return 0;
    if (type[0] != 'b')
        result = check_rule_packets(rule, err);
    return result == 0 && type[0] != 'c' ? refuse_disk(RULE, err) : result;
}

int devices_check(const json_t *config, struct error *err)
{
    const json_t *os = json_object_get(config, "linux");
    const json_t *devices = json_object_get(os, "devices");
    const json_t *rules = json_object_get(json_object_get(os, "resources"), "devices");
    int result = 0;

    for (size_t i = 0; i < json_array_size(devices) && result == 0; i++)
        result = check_entry(json_array_get(devices, i), err);
    for (size_t i = 0; i < json_array_size(rules) && result == 0; i++)
        result = check_rule(json_array_get(rules, i), err);
    return result;
}

static bool denies_all(const json_t *rule)
{
    const char *type = json_string_value(json_object_get(rule, "type"));
    const char *access = json_string_value(json_object_get(rule, "access"));

    return json_is_false(json_object_get(rule, "allow")) && (type == NULL || strcmp(type, "a") == 0) &&
           is_any(json_object_get(rule, "major")) && is_any(json_object_get(rule, "minor")) &&
           (access == NULL ||
            (strchr(access, 'r') != NULL && strchr(access, 'w') != NULL && strchr(access, 'm') != NULL));
}

int devices_deny_others(json_t *config, struct error *err)
{
    json_t *resources = document_object(json_object_get(config, "linux"), "resources");
    json_t *rules = resources != NULL ? document_array(resources, "devices") : NULL;

    if (rules == NULL)
        return error_set(err, 0, "config.json: linux.resources or its devices have the wrong type");
    for (size_t i = 0; i < json_array_size(rules); i++)
        if (denies_all(json_array_get(rules, i)))
            return 0;
    if (json_array_insert_new(rules, 0, json_pack("{s:b, s:s}", "allow", 0, "access", "rwm")) < 0)
        return error_set(err, ENOMEM, "add a rule for devices");
    return 0;
}
