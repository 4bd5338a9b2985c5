/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_container.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/program.h"
#include "hook/bundle.h"
#include "hook/config.h"
#include "hook/document.h"
#include "hook/runtime_path.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define RUN_DIRECTORY "/run/sallyport"

/* What Docker gives a container that nobody asked anything for, NET_RAW included: the edit has to take it
 * away. The probe is mounted, not copied: /run is noexec on some systems. */
static const char CONFIG[] =
    "{'ociVersion':'1.0.2',"
    "'process':{'user':{'uid':0,'gid':0},'cwd':'/','noNewPrivileges':false,"
    "'env':['PATH=/usr/sbin:/usr/bin:/sbin:/bin']},"
    "'root':{'path':'rootfs','readonly':true},'hostname':'verify','mounts':["
    "{'destination':'/proc','type':'proc','source':'proc','options':['nosuid','noexec','nodev']},"
    "{'destination':'/dev','type':'tmpfs','source':'tmpfs',"
    "'options':['nosuid','strictatime','mode=755','size=65536k']},"
    "{'destination':'/dev/pts','type':'devpts','source':'devpts',"
    "'options':['nosuid','noexec','newinstance','ptmxmode=0666','mode=0620','gid=5']},"
    "{'destination':'/sys','type':'sysfs','source':'sysfs','options':['nosuid','noexec','nodev','ro']},"
    "{'destination':'/tmp','type':'tmpfs','source':'tmpfs','options':['nosuid','nodev','size=65536k']}],"
    "'linux':{'namespaces':[{'type':'pid'},{'type':'network'},{'type':'ipc'},{'type':'uts'},{'type':'mount'}]"
    ","
    "'resources':{'devices':[{'allow':false,'access':'rwm'}],'pids':{'limit':256}},"
    "'maskedPaths':['/proc/acpi','/proc/kcore','/proc/keys','/proc/latency_stats','/proc/timer_list',"
    "'/proc/timer_stats','/proc/sched_debug','/proc/scsi','/sys/firmware'],"
    "'readonlyPaths':['/proc/bus','/proc/fs','/proc/irq','/proc/sys','/proc/sysrq-trigger']}}";

static const char *const CAPABILITIES[] = {
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",      "CAP_FOWNER",           "CAP_MKNOD",
    "CAP_NET_RAW", "CAP_SETGID",       "CAP_SETUID",      "CAP_SETFCAP",          "CAP_SETPCAP",
    "CAP_KILL",    "CAP_SYS_CHROOT",   "CAP_AUDIT_WRITE", "CAP_NET_BIND_SERVICE",
};

int verify_container_engine(const char *engine, char ret_path[PATH_MAX], struct error *err)
{
    static const char *const DIRECTORIES[] = {"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"};
    char path[64];

    if (engine == NULL)
        return runtime_path_find(NULL, ret_path, err);
    if (strcmp(engine, "runc") != 0 && strcmp(engine, "crun") != 0) {
        error_set(err, 0, "engine `%s` is not one that verify can start containers with", engine);
        return error_advise(err, "use --engine runc or --engine crun");
    }
    for (size_t i = 0; i < array_size(DIRECTORIES); i++) {
        snprintf(path, sizeof(path), "%s/%s", DIRECTORIES[i], engine);
        if (access(path, F_OK) == 0)
            return runtime_path_find(path, ret_path, err);
    }
    error_set(err, ENOENT, "engine %s", engine);
    return error_advise(err, "install it, or use the other one of runc and crun");
}

/* The probe that was built or installed with this program. */
static int find_probe(char *ret_path, size_t size, struct error *err)
{
    static const char *const PLACES[] = {"probe/probe", "../" SALLYPORT_PROBE};
    char path[PATH_MAX];

    for (size_t i = 0; i < array_size(PLACES); i++) {
        cleanup_free char *found = NULL;
        int result = program_path(PLACES[i], path, err);

        if (result < 0)
            return result;
        found = realpath(path, NULL);
        if (found != NULL && access(found, X_OK) == 0 && strlen(found) < size) {
            strcpy(ret_path, found);
            return 0;
        }
    }
    error_set(err, ENOENT, "the probe, %s", path); /* where it is installed: the last place */
    return error_advise(err, "install all of Sallyport again");
}

static int make_directory(struct verify_container *container, struct error *err)
{
    char path[128];
    uint64_t number = 0;
    struct stat st;

    if (mkdir(RUN_DIRECTORY, 0755) < 0 && errno != EEXIST)
        return error_set(err, errno, "make " RUN_DIRECTORY);
    if (lstat(RUN_DIRECTORY, &st) < 0)
        return error_set(err, errno, "look at " RUN_DIRECTORY);
    if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) != 0) {
        error_set(err, 0, RUN_DIRECTORY " is not a directory that only root can write to");
        return error_advise(err, "remove it");
    }
    if (getrandom(&number, sizeof(number), 0) != sizeof(number))
        return error_set(err, errno, "choose a name for the container");
    snprintf(container->id, sizeof(container->id), "verify-%016" PRIx64, number);
    snprintf(path, sizeof(path), RUN_DIRECTORY "/%s", container->id);
    if (mkdir(path, 0700) < 0)
        return error_set(err, errno, "make %s", path);
    strcpy(container->directory, path);
    snprintf(path, sizeof(path), "%s/rootfs", container->directory);
    return mkdir(path, 0755) < 0 ? error_set(err, errno, "make %s", path) : 0;
}

/* CONFIG is written with ' for ". */
static json_t *load_config(void)
{
    char text[sizeof(CONFIG)];

    for (size_t i = 0; i < sizeof(CONFIG); i++)
        text[i] = CONFIG[i] == '\'' ? '"' : CONFIG[i];
    return json_loads(text, JSON_REJECT_DUPLICATES, NULL);
}

static json_t *string_array(const char *const strings[], size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_string(strings[i]));
    return array;
}

/* `words` go behind the two that every call of the probe has. */
static json_t *command(const char *const words[])
{
    json_t *array = json_pack("[s, s]", "/probe", "battery");

    for (size_t i = 0; words[i] != NULL; i++)
        json_array_append_new(array, json_string(words[i]));
    return array;
}

/* NULL on lack of memory. */
static json_t *make_config(const struct verify_container *container, const struct selection *pin,
                           const char *probe, const char *const words[])
{
    cleanup_json json_t *config = load_config();
    cleanup_json json_t *list = string_array(CAPABILITIES, array_size(CAPABILITIES));
    json_t *process = json_object_get(config, "process");
    int failed = 0;

    failed |= json_object_set_new(process, "args", command(words));
    failed |= json_object_set_new(
        process, "capabilities",
        json_pack("{s:O, s:O, s:O}", "bounding", list, "effective", list, "permitted", list));
    failed |= json_object_set_new(
        config, "annotations",
        json_pack("{s:s, s:s}", SELECTION_NETWORK, pin->network, SELECTION_ROLE, pin->role));
    failed |= json_object_set_new(json_object_get(config, "linux"), "cgroupsPath",
                                  json_sprintf("%s/%s", container->cgroup_parent, container->id));
    failed |=
        json_array_append_new(json_object_get(config, "mounts"),
                              json_pack("{s:s, s:s, s:s, s:[s, s, s, s]}", "destination", "/probe", "type",
                                        "bind", "source", probe, "options", "bind", "ro", "nosuid", "nodev"));
    return failed != 0 ? NULL : take_pointer(config);
}

static int write_config(const struct verify_container *container, const json_t *config, struct error *err)
{
    cleanup_close int directory = open(container->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cleanup_free char *text = NULL;
    size_t length = 0;
    int result = 0;

    if (directory < 0)
        return error_set(err, errno, "open %s", container->directory);
    result = document_dump(config, &text, &length, err);
    return result < 0 ? result : file_replace_at(directory, CONFIG_NAME, text, length, 0600, err);
}

int verify_container_make(struct verify_container *container, const struct selection *pin,
                          const char *const words[], struct error *err)
{
    cleanup_json json_t *config = NULL;
    char probe[PATH_MAX];
    int result = find_probe(probe, sizeof(probe), err);

    if (result == 0)
        result = make_directory(container, err);
    if (result < 0)
        return result;
    config = make_config(container, pin, probe, words);
    if (config == NULL)
        return error_set(err, ENOMEM, "make the container's config.json");
    result = write_config(container, config, err);
    return result < 0 ? result : bundle_edit(container->directory, pin, err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

int verify_container_remove(const struct verify_container *container, struct error *err)
{
    if (container->directory[0] == '\0')
        return 0;
    if (nftw(container->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0) {
        error_set(err, errno, "remove %s", container->directory);
        return error_advise(err, "remove it by hand");
    }
    return 0;
}
