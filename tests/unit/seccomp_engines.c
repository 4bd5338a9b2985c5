/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp_engines.h"

#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static json_t *load(const char *path)
{
    const char *root = getenv("SALLYPORT_PROFILES") ?: "/";
    json_error_t error = {0};
    char full[512];
    json_t *profile = NULL;

    snprintf(full, sizeof(full), "%s/%s", root, path);
    profile = json_load_file(full, 0, &error);
    cr_assert_not_null(profile, "%s: %s (run tests/data/profiles/unpack DIR and set SALLYPORT_PROFILES=DIR)",
                       full, error.text);
    return profile;
}

json_t *engine_load_docker(void)
{
    return load("usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json");
}

json_t *engine_load_containers_common(void)
{
    return load("usr/share/containers/seccomp.json");
}

static bool has_string(const json_t *array, const char *string)
{
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(array, i, item)
    {
        if (strcmp(json_string_value(item), string) == 0)
            return true;
    }
    return false;
}

static bool is_capability(const char *const *capabilities, const char *name)
{
    for (; *capabilities != NULL; capabilities++)
        if (strcmp(*capabilities, name) == 0)
            return true;
    return false;
}

static bool applies(const json_t *entry, const char *const *capabilities, const char *architecture)
{
    const json_t *includes = json_object_get(entry, "includes");
    const json_t *excludes = json_object_get(entry, "excludes");
    const json_t *wanted = json_object_get(includes, "arches");
    size_t i = 0;
    json_t *name = NULL;

    if (has_string(json_object_get(excludes, "arches"), architecture) ||
        json_object_get(excludes, "minKernel") != NULL)
        return false;
    if (json_array_size(wanted) > 0 && !has_string(wanted, architecture))
        return false;
    json_array_foreach(json_object_get(excludes, "caps"), i, name)
    {
        if (is_capability(capabilities, json_string_value(name)))
            return false;
    }
    json_array_foreach(json_object_get(includes, "caps"), i, name)
    {
        if (!is_capability(capabilities, json_string_value(name)))
            return false;
    }
    return true;
}

static void copy_key(json_t *target, const json_t *source, const char *key)
{
    json_t *value = json_object_get(source, key);

    if (value != NULL)
        json_object_set(target, key, value);
}

static json_t *architectures_of(const json_t *profile, const char *architecture)
{
    const char *native = strcmp(architecture, "amd64") == 0 ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64";
    json_t *list = json_array();
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(json_object_get(profile, "archMap"), i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "architecture")), native) != 0)
            continue;
        json_array_append(list, json_object_get(item, "architecture"));
        json_array_extend(list, json_object_get(item, "subArchitectures"));
    }
    cr_assert_gt(json_array_size(list), 0);
    return list;
}

json_t *engine_to_oci(const json_t *profile, const char *const *capabilities, const char *architecture)
{
    json_t *oci = json_object();
    json_t *entries = json_array();
    size_t i = 0;
    json_t *entry = NULL;

    copy_key(oci, profile, "defaultAction");
    copy_key(oci, profile, "defaultErrnoRet");
    json_object_set_new(oci, "architectures", architectures_of(profile, architecture));
    json_object_set_new(oci, "syscalls", entries);
    json_array_foreach(json_object_get(profile, "syscalls"), i, entry)
    {
        json_t *converted = NULL;

        if (!applies(entry, capabilities, architecture))
            continue;
        converted = json_object();
        copy_key(converted, entry, "names");
        copy_key(converted, entry, "action");
        copy_key(converted, entry, "errnoRet");
        if (json_array_size(json_object_get(entry, "args")) > 0)
            copy_key(converted, entry, "args");
        json_array_append_new(entries, converted);
    }
    return oci;
}

static uint32_t action_of(const json_t *object, const char *key, const char *errno_key)
{
    const char *name = json_string_value(json_object_get(object, key));
    const json_t *number = json_object_get(object, errno_key);
    unsigned error = number == NULL ? EPERM : (unsigned)json_integer_value(number);

    if (strcmp(name, "SCMP_ACT_ALLOW") == 0)
        return SCMP_ACT_ALLOW;
    if (strcmp(name, "SCMP_ACT_LOG") == 0)
        return SCMP_ACT_LOG;
    if (strcmp(name, "SCMP_ACT_ERRNO") == 0)
        return SCMP_ACT_ERRNO(error);
    if (strcmp(name, "SCMP_ACT_TRACE") == 0)
        return SCMP_ACT_TRACE(error);
    if (strcmp(name, "SCMP_ACT_NOTIFY") == 0)
        return SCMP_ACT_NOTIFY;
    if (strcmp(name, "SCMP_ACT_TRAP") == 0)
        return SCMP_ACT_TRAP;
    if (strcmp(name, "SCMP_ACT_KILL_PROCESS") == 0)
        return SCMP_ACT_KILL_PROCESS;
    return SCMP_ACT_KILL_THREAD;
}

static struct scmp_arg_cmp condition_of(const json_t *json)
{
    static const struct {
        const char *name;
        enum scmp_compare compare;
    } names[] = {
        {"SCMP_CMP_NE", SCMP_CMP_NE},
        {"SCMP_CMP_LT", SCMP_CMP_LT},
        {"SCMP_CMP_LE", SCMP_CMP_LE},
        {"SCMP_CMP_EQ", SCMP_CMP_EQ},
        {"SCMP_CMP_GE", SCMP_CMP_GE},
        {"SCMP_CMP_GT", SCMP_CMP_GT},
        {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
    };
    const char *op = json_string_value(json_object_get(json, "op"));
    struct scmp_arg_cmp condition = {
        .arg = (unsigned)json_integer_value(json_object_get(json, "index")),
        .datum_a = (scmp_datum_t)json_integer_value(json_object_get(json, "value")),
        .datum_b = (scmp_datum_t)json_integer_value(json_object_get(json, "valueTwo")),
    };

    for (size_t i = 0; i < array_size(names); i++)
        if (strcmp(names[i].name, op) == 0)
            condition.op = names[i].compare;
    return condition;
}

/* Conditions are alternatives as soon as two are on the same argument. */
static int add_conditions(scmp_filter_ctx context, uint32_t action, int number, const json_t *args)
{
    struct scmp_arg_cmp conditions[6];
    unsigned count = 0;
    unsigned seen = 0;
    bool twice = false;
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(args, i, item)
    {
        conditions[count] = condition_of(item);
        twice = twice || (seen & (1U << conditions[count].arg)) != 0;
        seen |= 1U << conditions[count++].arg;
    }
    if (!twice)
        return seccomp_rule_add_array(context, action, number, count, conditions);
    for (unsigned j = 0; j < count; j++) {
        int result = seccomp_rule_add_array(context, action, number, 1, &conditions[j]);

        if (result < 0)
            return result;
    }
    return 0;
}

static int add_entry(scmp_filter_ctx context, const json_t *entry, uint32_t standard)
{
    uint32_t action = action_of(entry, "action", "errnoRet");
    size_t i = 0;
    json_t *name = NULL;

    if (action == standard)
        return 0;
    json_array_foreach(json_object_get(entry, "names"), i, name)
    {
        int number = seccomp_syscall_resolve_name(json_string_value(name));
        int result = 0;

        if (number == __NR_SCMP_ERROR)
            continue;
        result = add_conditions(context, action, number, json_object_get(entry, "args"));
        if (result < 0)
            return result;
    }
    return 0;
}

static int add_architecture(scmp_filter_ctx context, const char *name)
{
    char lower[32] = "";
    uint32_t token = 0;

    cr_assert_eq(strncmp(name, "SCMP_ARCH_", 10), 0);
    for (unsigned i = 0; name[10 + i] != '\0' && i < sizeof(lower) - 1; i++)
        lower[i] = (char)tolower((unsigned char)name[10 + i]);
    token = seccomp_arch_resolve_name(lower);
    cr_assert_neq(token, 0, "architecture %s", lower);
    return seccomp_arch_exist(context, token) == 0 ? 0 : seccomp_arch_add(context, token);
}

static int fill(scmp_filter_ctx context, const json_t *profile, enum engine_runtime runtime, uint32_t native)
{
    uint32_t standard = action_of(profile, "defaultAction", "defaultErrnoRet");
    const json_t *entries = json_object_get(profile, "syscalls");
    size_t i = 0;
    json_t *item = NULL;
    int result = 0;

    if (native != seccomp_arch_native()) { /* as if this were that machine */
        result = seccomp_arch_add(context, native);
        if (result == 0)
            result = seccomp_arch_remove(context, SCMP_ARCH_NATIVE);
    }
    json_array_foreach(json_object_get(profile, "architectures"), i, item)
    {
        if (result == 0)
            result = add_architecture(context, json_string_value(item));
    }
    if (result == 0 && runtime == ENGINE_RUNC && json_array_size(entries) > 32)
        result = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    json_array_foreach(entries, i, item)
    {
        if (result == 0)
            result = add_entry(context, item, standard);
    }
    return result;
}

static struct sock_fprog *export(scmp_filter_ctx context)
{
    cleanup_close int fd = memfd_create("filter", MFD_CLOEXEC);
    struct sock_fprog *program = calloc(1, sizeof(*program));
    struct stat st;

    cr_assert(fd >= 0 && program != NULL);
    cr_assert_eq(seccomp_export_bpf(context, fd), 0);
    cr_assert_eq(fstat(fd, &st), 0);
    program->len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
    program->filter = malloc((size_t)st.st_size);
    cr_assert_eq(pread(fd, program->filter, (size_t)st.st_size, 0), st.st_size);
    return program;
}

bool engine_allows_by_default(const json_t *profile)
{
    const char *action = json_string_value(json_object_get(profile, "defaultAction"));

    return profile == NULL ||
           (action != NULL && (strcmp(action, "SCMP_ACT_ALLOW") == 0 || strcmp(action, "SCMP_ACT_LOG") == 0));
}

struct sock_fprog *engine_compile(const json_t *profile, enum engine_runtime runtime, uint32_t native)
{
    scmp_filter_ctx context = seccomp_init(action_of(profile, "defaultAction", "defaultErrnoRet"));
    struct sock_fprog *program = NULL;

    cr_assert_not_null(context);
    if (fill(context, profile, runtime, native) == 0)
        program = export(context);
    seccomp_release(context);
    return program;
}

void engine_program_free(struct sock_fprog *program)
{
    if (program != NULL)
        free(program->filter);
    free(program);
}
