/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport install containerd: runtime handlers of its CRI plugin, for Kubernetes' RuntimeClass.
 *
 * Where they go depends on what containerd makes of it:
 *
 *   version 3, with an import of all    a drop-in there (containerd 2 merges tables key by key)
 *   .toml files of a directory
 *   version 2 or 3 without              a block at the end of config.toml, between two marks. Not an import:
 *                                       containerd 1 takes the CRI section of an imported file in place of
 *                                       config.toml's, the whole of it
 *   k3s and rke2 without such an import the same block in config.toml.tmpl, from which they make config.toml
 *
 * A handler begins as a copy of runc's: without its SystemdCgroup the kubelet and containerd disagree about
 * cgroups, and pods die again and again. Where config.toml has no runc at all, the block names it too: with
 * one handler in the file, containerd 1 forgets its built-in one. */
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/engine_containerd.h"
#include "cli/install.h"
#include "cli/install_toml.h"
#include "hook/runtime_path.h"

#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>

static const char ENGINE[] = "containerd";
static const char BEGIN[] = "# BEGIN sallyport: ";
static const char END[] = "# END sallyport\n";
static const char DROP_IN[] = "99-sallyport.toml";
static const char CRI_2[] = "io.containerd.grpc.v1.cri";
static const char CRI_3[] = "io.containerd.cri.v1.runtime";
static const char RUNC_TYPE[] = "io.containerd.runc.v2";

static const char RANCHER[] = "/var/lib/rancher/";

static const char *const CONFIGS[] = {
    "/etc/containerd/config.toml",
    "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
};

struct plan {
    struct install_request *request;
    struct changes *changes;
    const char *config;    /* what containerd reads */
    char target[PATH_MAX]; /* the file that is written: config, its template, or a drop-in */
    bool drop_in;
    json_t *document; /* config and what it imports; an empty object if there is none */
    json_int_t version;
    const char *plugin;
    const json_t *base; /* the handler to begin with, borrowed from document; NULL: has none */
    bool names_runc;    /* the block has to */
    struct install_roles roles;
};

static const char *config_path(const struct install_request *request)
{
    if (request->config != NULL)
        return request->config;
    for (size_t i = 0; i < array_size(CONFIGS); i++)
        if (access(CONFIGS[i], F_OK) == 0)
            return CONFIGS[i];
    return CONFIGS[0];
}

/* `runtimes` of the document's CRI plugin. */
static const json_t *runtimes_of(const json_t *document, const char *plugin)
{
    const json_t *cri = json_object_get(json_object_get(document, "plugins"), plugin);

    return json_object_get(json_object_get(cri, "containerd"), "runtimes");
}

/* The patterns of `imports`, those without a slash in front below the file's directory. */
static bool import_pattern(const struct plan *plan, const json_t *pattern, char ret[PATH_MAX])
{
    const char *text = json_string_value(pattern);
    const char *slash = strrchr(plan->config, '/');
    int length = 0;

    if (text == NULL)
        return false;
    if (text[0] == '/')
        length = snprintf(ret, PATH_MAX, "%s", text);
    else
        length = snprintf(ret, PATH_MAX, "%.*s/%s", (int)(slash - plan->config), plan->config, text);
    return length < PATH_MAX;
}

static int read_toml(const char *path, json_t **ret, struct error *err)
{
    cleanup_free char *text = NULL;
    size_t length = 0;
    int result = changes_read_target(path, &text, &length, err);

    return result < 0 || text == NULL ? result : toml_parse(text, length, path, ret, err);
}

/* What an imported file adds. In version 2 its CRI section, if it has one, stands in place of config.toml's.
 */
static int merge_import(struct plan *plan, const char *path, struct error *err)
{
    cleanup_json json_t *import = NULL;
    int result = 0;

    if (strcmp(path, plan->target) == 0 || strcmp(path, plan->config) == 0)
        return 0;
    result = read_toml(path, &import, err);
    if (result < 0)
        return result;
    if (plan->version == 2 && json_object_get(json_object_get(import, "plugins"), CRI_2) != NULL) {
        error_set(err, 0, "%s: containerd 1 takes the CRI section of %s instead of this file's", plan->config,
                  path);
        return error_advise(err, "merge the two files, or use containerd 2 with `version = 3`");
    }
    json_object_del(import, "imports");
    if (json_object_update_recursive(plan->document, import) < 0)
        return error_set(err, ENOMEM, "%s", path);
    return 0;
}

static int merge_imports(struct plan *plan, struct error *err)
{
    cleanup_json json_t *imports = json_incref(json_object_get(plan->document, "imports"));
    json_t *pattern = NULL;
    size_t index = 0;
    int result = 0;

    json_array_foreach(imports, index, pattern)
    {
        char path[PATH_MAX];
        glob_t found = {0};

        if (result == 0 && import_pattern(plan, pattern, path) && glob(path, 0, NULL, &found) == 0)
            for (size_t i = 0; i < found.gl_pathc && result == 0; i++)
                result = merge_import(plan, found.gl_pathv[i], err);
        globfree(&found);
    }
    return result;
}

/* The directory of an import of all its *.toml, for a drop-in. */
static bool find_drop_in(struct plan *plan)
{
    json_t *pattern = NULL;
    size_t index = 0;

    json_array_foreach(json_object_get(plan->document, "imports"), index, pattern)
    {
        char path[PATH_MAX];
        char *slash = import_pattern(plan, pattern, path) ? strrchr(path, '/') : NULL;

        if (slash == NULL || strcmp(slash, "/*.toml") != 0)
            continue;
        *slash = '\0';
        return snprintf(plan->target, sizeof(plan->target), "%s/%s", path, DROP_IN) < PATH_MAX;
    }
    return false;
}

/* k3s and rke2 make config.toml anew at each start. */
static int find_template(struct plan *plan, struct error *err)
{
    const char *suffix = plan->version >= 3 ? "-v3.toml.tmpl" : ".toml.tmpl";
    size_t stem = strlen(plan->config) - strlen(".toml");

    snprintf(plan->target, sizeof(plan->target), "%.*s%s", (int)stem, plan->config, suffix);
    if (plan->request->undo || access(plan->target, F_OK) == 0)
        return 0;
    error_set(err, 0, "%s: is made anew from a template at each start", plan->config);
    return error_advise(err, "write the line {{ template \"base\" . }} into %s and try again", plan->target);
}

static bool is_generated(const struct plan *plan)
{
    return strncmp(plan->config, RANCHER, strlen(RANCHER)) == 0;
}

static int find_target(struct plan *plan, struct error *err)
{
    plan->drop_in = plan->version >= 3 && find_drop_in(plan);
    if (plan->drop_in)
        return 0;
    snprintf(plan->target, sizeof(plan->target), "%s", plan->config);
    return is_generated(plan) ? find_template(plan, err) : 0;
}

static int check_version(struct plan *plan, struct error *err)
{
    const json_t *version = json_object_get(plan->document, "version");

    if (plan->document == NULL) {
        plan->document = json_object();
        plan->version = 2; /* of a new file: containerd 1 and 2 read it */
    } else if (json_is_integer(version) && json_integer_value(version) >= 2 &&
               json_integer_value(version) <= 4) {
        plan->version = json_integer_value(version);
    } else {
        error_set(err, 0, "%s: is not of version 2, 3 or 4", plan->config);
        return error_advise(err, "convert it with `containerd config migrate`");
    }
    plan->plugin = plan->version == 2 ? CRI_2 : CRI_3;
    return 0;
}

/* Docker's packages bring a configuration without CRI: a handler there would be for nobody. */
static int check_enabled(const struct plan *plan, struct error *err)
{
    json_t *disabled = NULL;
    size_t index = 0;

    json_array_foreach(json_object_get(plan->document, "disabled_plugins"), index, disabled)
    {
        const char *name = json_string_value(disabled);

        if (name == NULL ||
            (strcmp(name, "cri") != 0 && strcmp(name, CRI_2) != 0 && strcmp(name, plan->plugin) != 0))
            continue;
        error_set(err, 0, "%s: disabled_plugins has `%s`, so nothing would take effect", plan->config, name);
        return error_advise(
            err, "take it out there; Docker's containerd needs no runtime: `sallyport install docker`");
    }
    return 0;
}

/* runc's handler, else the default one if it is of runc's kind. */
static void find_base(struct plan *plan)
{
    const json_t *cri = json_object_get(json_object_get(plan->document, "plugins"), plan->plugin);
    const json_t *containerd = json_object_get(cri, "containerd");
    const char *standard = json_string_value(json_object_get(containerd, "default_runtime_name"));
    const json_t *runtimes = json_object_get(containerd, "runtimes");
    const char *type = NULL;

    plan->base = json_object_get(runtimes, "runc");
    plan->names_runc = plan->base == NULL && (standard == NULL || strcmp(standard, "runc") == 0);
    if (plan->base == NULL && standard != NULL)
        plan->base = json_object_get(runtimes, standard);
    type = json_string_value(json_object_get(plan->base, "runtime_type"));
    if (type == NULL || strcmp(type, RUNC_TYPE) != 0)
        plan->base = NULL;
}

/* Reads what there is and decides where to write. */
static int look(struct plan *plan, struct error *err)
{
    int result = read_toml(plan->config, &plan->document, err);

    if (result == 0)
        result = check_version(plan, err);
    if (result == 0)
        result = find_target(plan, err);
    if (result == 0)
        result = merge_imports(plan, err);
    if (result < 0)
        return result;
    find_base(plan);
    return plan->request->undo ? 0 : check_enabled(plan, err);
}

/* Writing. */

static void print_table(const struct plan *plan, const char *handler, const char *below, FILE *out)
{
    fprintf(out, "\n[plugins.\"%s\".containerd.runtimes.%s%s]\n", plan->plugin, handler, below);
}

/* What of runc's is taken over: everything that is not of this handler alone. */
static void print_inherited(const json_t *table, const char *const *own, FILE *out)
{
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach((json_t *)table, key, value)
    {
        bool ours = json_is_object(value);

        for (size_t i = 0; own[i] != NULL; i++)
            ours = ours || strcmp(own[i], key) == 0;
        if (ours)
            continue;
        fputs("  ", out);
        toml_print_key(key, out);
        fputs(" = ", out);
        toml_print(value, out);
        fputc('\n', out);
    }
}

static void print_handler(const struct plan *plan, const char *name, const char *program, FILE *out)
{
    static const char *const OWN[] = {
        "runtime_type", "runtime_path",    "runtime_engine",        "runtime_root",
        "options",      "pod_annotations", "container_annotations", NULL};
    static const char *const OWN_OPTIONS[] = {"BinaryName", NULL};

    print_table(plan, name, "", out);
    fprintf(out,
            "  runtime_type = \"%s\"\n"
            "  pod_annotations = [\"io.sallyport.*\"]\n"
            "  container_annotations = [\"io.sallyport.*\"]\n",
            RUNC_TYPE);
    print_inherited(plan->base, OWN, out);
    print_table(plan, name, ".options", out);
    fprintf(out, "  BinaryName = \"%s\"\n", program);
    print_inherited(json_object_get(plan->base, "options"), OWN_OPTIONS, out);
}

static void print_all(const struct plan *plan, FILE *out)
{
    fprintf(
        out,
        "%swritten by `sallyport install containerd`, which rewrites it up to the END; with --undo it goes.\n"
        "# The annotations only select a network and a role that a policy defines; they define nothing. The "
        "other\n"
        "# settings are runc's: after a change of these, run `sallyport install containerd` again.\n",
        BEGIN);
    if (plan->drop_in)
        fprintf(out, "version = %" JSON_INTEGER_FORMAT "\n", plan->version);
    if (plan->names_runc) {
        print_table(plan, "runc", "", out);
        fprintf(out, "  runtime_type = \"%s\"\n", RUNC_TYPE);
    }
    print_handler(plan, INSTALL_RUNTIME, plan->request->runtime, out);
    for (size_t i = 0; i < plan->roles.count; i++) {
        char name[INSTALL_NAME_SIZE];
        char path[PATH_MAX];

        print_handler(plan, install_runtime_name(&plan->roles.items[i], name),
                      install_link_path(ENGINE, &plan->roles.items[i], path), out);
    }
    fputs(END, out);
}

static int make_block(const struct plan *plan, char **ret, struct error *err)
{
    size_t length = 0;
    FILE *out = open_memstream(ret, &length);

    if (out == NULL)
        return error_set(err, errno, "write containerd's configuration");
    print_all(plan, out);
    if (fclose(out) != 0 || *ret == NULL)
        return error_set(err, ENOMEM, "write containerd's configuration");
    return 0;
}

/* The target's text, and where our block is in it: at its end and empty if it has none. */
struct target {
    char *text;
    size_t length;
    size_t begin;
    size_t end;
};

static int read_target(const struct plan *plan, struct target *ret, struct error *err)
{
    const char *begin = NULL;
    const char *end = NULL;
    int result = changes_read(plan->target, &ret->text, &ret->length, err);

    if (result < 0 || ret->text == NULL)
        return result;
    ret->begin = ret->end = ret->length;
    begin = strstr(ret->text, BEGIN);
    end = begin != NULL ? strstr(begin, END) : NULL;
    if (end != NULL && (begin == ret->text || begin[-1] == '\n') && strstr(end, BEGIN) == NULL) {
        ret->begin = (size_t)(begin - ret->text);
        ret->end = (size_t)(end - ret->text) + strlen(END);
        return 0;
    }
    if (begin != NULL || strstr(ret->text, END) != NULL) {
        error_set(err, 0, "%s: our two marks, BEGIN and END, are not there once each", plan->target);
        return error_advise(err, "take out by hand what is ours");
    }
    if (plan->drop_in) {
        error_set(err, 0, "%s: is not a file that `sallyport install` has written", plan->target);
        return error_advise(err, "rename it");
    }
    return 0;
}

/* The roles that our block has handlers for. */
static int read_roles(struct plan *plan, const struct target *target, struct error *err)
{
    cleanup_json json_t *block = NULL;
    const char *name = NULL;
    json_t *handler = NULL;
    int result = 0;

    if (target->begin == target->end)
        return 0;
    result = toml_parse(target->text + target->begin, target->end - target->begin, plan->target, &block, err);
    json_object_foreach((json_t *)runtimes_of(block, plan->plugin), name, handler)
    {
        const char *path =
            json_string_value(json_object_get(json_object_get(handler, "options"), "BinaryName"));
        struct install_role role;

        if (result == 0 && path != NULL && install_link_parse(ENGINE, path, &role))
            result = install_roles_add(&plan->roles, role.network, role.role, err);
    }
    return result;
}

/* Another program than runc behind the handler stays behind it only if sallyport-runtime knows of it. */
static void tell_binary(const struct plan *plan)
{
    const json_t *options = json_object_get(plan->base, "options");
    const char *binary = json_string_value(json_object_get(options, "BinaryName"));

    if (binary != NULL && binary[0] != '\0' && !plan->request->undo)
        printf("%s: its runtime is %s; for the same one behind sallyport: ln -s %s " RUNTIME_LINK "\n",
               plan->config, binary, binary);
}

/* The document without what our block says: a runc that only we have named is none. */
static int forget_block(struct plan *plan, const struct target *target, struct error *err)
{
    cleanup_json json_t *without = NULL;
    char *text = NULL;
    int length = 0;
    int result = 0;

    if (strcmp(plan->target, plan->config) != 0 || target->begin == target->end)
        return 0;
    length = asprintf(&text, "%.*s%s", (int)target->begin, target->text, target->text + target->end);
    if (length < 0)
        return error_set(err, ENOMEM, "%s", plan->config);
    result = toml_parse(text, (size_t)length, plan->config, &without, err);
    free(text);
    if (result < 0)
        return result;
    json_decref(plan->document);
    plan->document = take_pointer(without);
    result = merge_imports(plan, err);
    find_base(plan);
    return result;
}

/* A handler of our name outside of our block is somebody else's. */
static int check_handlers(const struct plan *plan, struct error *err)
{
    const json_t *runtimes = runtimes_of(plan->document, plan->plugin);
    char name[INSTALL_NAME_SIZE];
    bool found = json_object_get(runtimes, INSTALL_RUNTIME) != NULL;

    if (is_generated(plan)) /* made from our own template */
        return 0;
    snprintf(name, sizeof(name), "%s", INSTALL_RUNTIME);
    for (size_t i = 0; i < plan->roles.count && !found; i++)
        found = json_object_get(runtimes, install_runtime_name(&plan->roles.items[i], name)) != NULL;
    if (!found)
        return 0;
    error_set(err, 0, "%s: has a runtime `%s` already, which is not from `sallyport install`", plan->config,
              name);
    return error_advise(err, "rename it, or take it out");
}

/* The target with the block; must be TOML again, unless it is a template. */
static int make_text(const struct plan *plan, const struct target *target, char **ret, struct error *err)
{
    cleanup_free char *block = NULL;
    cleanup_free char *text = NULL;
    cleanup_json json_t *ignored = NULL;
    const char *before = target->text != NULL ? target->text : plan->drop_in ? "" : "version = 2\n";
    size_t begin = target->text != NULL ? target->begin : strlen(before);
    const char *newline = begin > 0 && before[begin - 1] != '\n' ? "\n" : "";
    int result = make_block(plan, &block, err);

    if (result < 0)
        return result;
    if (asprintf(&text, "%.*s%s%s%s", (int)begin, before, newline, block,
                 target->text != NULL ? target->text + target->end : "") < 0)
        return error_set(err, ENOMEM, "%s", plan->target);
    if (!is_generated(plan) && toml_parse(text, strlen(text), plan->target, &ignored, err) < 0) {
        error_prefix(err, "our runtimes cannot be added");
        return error_advise(err, "write the tables above them as [tables], not in braces");
    }
    *ret = take_pointer(text);
    return 0;
}

static int plan_target(struct plan *plan, const struct target *target, struct error *err)
{
    cleanup_free char *after = NULL;
    int result = 0;

    if (!plan->request->undo) {
        result = make_text(plan, target, &after, err);
    } else if (target->text != NULL) {
        if (asprintf(&after, "%.*s%s", (int)target->begin, target->text, target->text + target->end) < 0)
            return error_set(err, ENOMEM, "%s", plan->target);
        /* What is left of a file that install has made. */
        if (target->begin != target->end && (plan->drop_in || strcmp(after, "version = 2\n") == 0)) {
            free(after);
            after = NULL;
        }
    }
    if (result < 0)
        return result;
    return changes_file(plan->changes, plan->target, target->text, target->length, after,
                        after != NULL ? strlen(after) : 0, err);
}

static int plan_all(struct plan *plan, struct target *target, struct error *err)
{
    struct install_request *request = plan->request;
    int result = read_target(plan, target, err);

    if (result == 0)
        result = read_roles(plan, target, err);
    for (size_t i = 0; i < request->roles.count && result == 0; i++)
        result = install_roles_add(&plan->roles, request->roles.items[i].network,
                                   request->roles.items[i].role, err);
    if (result == 0)
        result = forget_block(plan, target, err);
    if (result == 0 && !request->undo)
        result = check_handlers(plan, err);
    if (result == 0)
        tell_binary(plan);
    /* Links are there before something names them, and go after it. */
    if (result == 0 && !request->undo)
        result = install_plan_links(ENGINE, request, &plan->roles, plan->changes, err);
    return result < 0 ? result : plan_target(plan, target, err);
}

static const char *socket_path(const char *config)
{
    return strncmp(config, RANCHER, strlen(RANCHER)) == 0 ? "/run/k3s/containerd/containerd.sock"
                                                          : "/run/containerd/containerd.sock";
}

/* What is written into a file that nobody reads would not take effect. */
static int check_daemon(const struct plan *plan, struct error *err)
{
    struct engine_containerd containerd;
    int result = engine_containerd_find(socket_path(plan->config), &containerd, err);

    if (result < 0 || containerd.pid == 0 || plan->request->config != NULL ||
        strcmp(containerd.config, plan->config) == 0)
        return result;
    error_set(err, 0, "containerd (process %d) reads %s, not %s", containerd.pid, containerd.config,
              plan->config);
    return error_advise(err, "use --config %s", containerd.config);
}

int install_containerd(struct install_request *request, struct changes *changes, struct error *err)
{
    static struct plan plan;
    struct target target = {0};
    int result = 0;

    plan = (struct plan){.request = request, .changes = changes, .config = config_path(request)};
    result = check_daemon(&plan, err);
    if (result == 0)
        result = look(&plan, err);
    if (result == 0)
        result = plan_all(&plan, &target, err);
    free(target.text);
    snprintf(request->written, sizeof(request->written), "%s", plan.target);
    /* A block from before there was a directory for drop-ins. */
    if (result == 0 && request->undo && plan.drop_in && !is_generated(&plan)) {
        target = (struct target){0};
        plan.drop_in = false;
        snprintf(plan.target, sizeof(plan.target), "%s", plan.config);
        result = plan_all(&plan, &target, err);
        free(target.text);
    }
    if (result == 0 && request->undo)
        result = install_plan_links(ENGINE, request, &plan.roles, changes, err);
    request->roles = plan.roles;
    json_decref(plan.document);
    return result;
}

/* How a person makes it read its files. */
static void print_command(const char *config, const struct engine_containerd *containerd)
{
    if (strcmp(config, CONFIGS[1]) == 0)
        puts("not in force yet: systemctl restart k3s (or k3s-agent)");
    else if (strcmp(config, CONFIGS[2]) == 0)
        puts("not in force yet: systemctl restart rke2-server (or rke2-agent)");
    else if (access("/run/systemd/system", F_OK) == 0)
        puts("not in force yet: systemctl restart containerd");
    else
        printf("not in force yet: end containerd, process %d, and start it again\n", containerd->pid);
}

int install_containerd_in_force(const struct install_request *request, struct error *err)
{
    const char *config = config_path(request);
    struct engine_containerd containerd;
    struct stat st;
    int result = engine_containerd_find(socket_path(config), &containerd, err);

    if (result < 0)
        return result;
    if (containerd.pid == 0 || strcmp(containerd.config, config) != 0) {
        if (!request->undo)
            printf("in force when a containerd starts that reads %s\n", config);
        return 0;
    }
    if (request->undo || stat(request->written, &st) < 0 || st.st_mtim.tv_sec > containerd.start.tv_sec ||
        (st.st_mtim.tv_sec == containerd.start.tv_sec && st.st_mtim.tv_nsec >= containerd.start.tv_nsec))
        print_command(config, &containerd);
    else
        printf("in force: containerd (process %d) was started later\n", containerd.pid);
    return 0;
}
