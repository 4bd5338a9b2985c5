/* SPDX-License-Identifier: Apache-2.0
 *
 * runc and crun: a bundle with nothing in it but the probe, edited as any other bundle is, and run with a
 * state directory inside it. */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/verify_engine.h"
#include "hook/bundle.h"
#include "hook/config.h"
#include "hook/document.h"
#include "hook/runtime_path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

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

static int find(struct verify_container *container, struct error *err)
{
    char chosen[PATH_MAX];
    bool any = container->engine == &verify_engine_any;
    int result = any ? 0 : verify_program_find(container->engine_name, chosen, err);

    if (result == 0)
        result = runtime_path_find(any ? NULL : chosen, container->program, err);
    if (result < 0)
        return result;
    if (any)
        container->engine_name = strrchr(container->program, '/') + 1;
    strcpy(container->way, "bundle");
    if (container->cgroup_parent[0] != '\0' && container->cgroup_parent[0] != '/')
        return error_set(err, 0, "--cgroup-parent %s: does not begin with a slash", container->cgroup_parent);
    return 0;
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
static json_t *make_config(const struct verify_container *container, const char *probe,
                           const char *const words[])
{
    cleanup_json json_t *config = load_config();
    cleanup_json json_t *list = string_array(CAPABILITIES, array_size(CAPABILITIES));
    json_t *process = json_object_get(config, "process");
    int failed = 0;

    failed |= json_object_set_new(process, "args", command(words));
    failed |= json_object_set_new(
        process, "capabilities",
        json_pack("{s:O, s:O, s:O}", "bounding", list, "effective", list, "permitted", list));
    failed |= json_object_set_new(config, "annotations",
                                  json_pack("{s:s, s:s}", SELECTION_NETWORK, container->pin.network,
                                            SELECTION_ROLE, container->pin.role));
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

static int make_bundle(struct verify_container *container, const char *const words[], struct error *err)
{
    cleanup_json json_t *config = NULL;
    char probe[PATH_MAX];
    int result = verify_probe_find(probe, err);

    if (result < 0)
        return result;
    snprintf(container->texts[0], sizeof(container->texts[0]), "%s/rootfs", container->directory);
    if (mkdir(container->texts[0], 0755) < 0)
        return error_set(err, errno, "make %s", container->texts[0]);
    config = make_config(container, probe, words);
    if (config == NULL)
        return error_set(err, ENOMEM, "make the container's config.json");
    result = write_config(container, config, err);
    return result < 0 ? result : bundle_edit(container->directory, &container->pin, err);
}

static int make(struct verify_container *container, const char *const words[], struct error *err)
{
    char *state = container->texts[1];

    strcpy(container->id, container->name);
    snprintf(state, sizeof(container->texts[1]), "%s/state", container->directory);
    words_add(&container->run, container->program, "--root", state, "run", "--bundle", container->directory,
              container->id, NULL);
    words_add(&container->end, container->program, "--root", state, "delete", "--force", container->id, NULL);
    return make_bundle(container, words, err);
}

const struct verify_engine verify_engine_runc = {"runc", find, make, NULL};
const struct verify_engine verify_engine_crun = {"crun", find, make, NULL};
const struct verify_engine verify_engine_any = {"", find, make, NULL};
