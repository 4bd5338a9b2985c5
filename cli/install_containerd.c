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
 */
#include "cli/install_containerd.h"

#include "base/cleanup.h"
#include "cli/engine_containerd.h"
#include "cli/install_toml.h"
#include "hook/runtime_path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* The target's text, and where our block is in it: at its end and empty if it has none. */
struct target {
    char *text;
    size_t length;
    size_t begin;
    size_t end;
};

static int read_target(const struct containerd_plan *plan, struct target *ret, struct error *err)
{
    const char *begin = NULL;
    const char *end = NULL;
    int result = changes_read(plan->target, &ret->text, &ret->length, err);

    if (result < 0 || ret->text == NULL)
        return result;
    ret->begin = ret->end = ret->length;
    begin = strstr(ret->text, CONTAINERD_BEGIN);
    end = begin != NULL ? strstr(begin, CONTAINERD_END) : NULL;
    if (end != NULL && (begin == ret->text || begin[-1] == '\n') && strstr(end, CONTAINERD_BEGIN) == NULL) {
        ret->begin = (size_t)(begin - ret->text);
        ret->end = (size_t)(end - ret->text) + strlen(CONTAINERD_END);
        return 0;
    }
    if (begin != NULL || strstr(ret->text, CONTAINERD_END) != NULL) {
        error_set(err, 0, "%s: our two marks, BEGIN and END, are not there once each", plan->target);
        return error_advise(err, "take out by hand what is ours");
    }
    if (plan->drop_in) {
        error_set(err, 0, "%s: is not a file that `sallyport install` has written", plan->target);
        return error_advise(err, "rename it");
    }
    return 0;
}

/* The handlers of our block. Without one, and without a role that is asked for, it will be the one by
 * annotation: where roles are pinned, nobody gets a way around them that was not asked for. */
static int read_handlers(struct containerd_plan *plan, const struct target *target, struct error *err)
{
    cleanup_json json_t *block = NULL;
    const char *name = NULL;
    json_t *handler = NULL;
    int result = 0;

    plan->by_annotation = plan->request->roles.count == 0;
    if (target->begin == target->end)
        return 0;
    result = toml_parse(target->text + target->begin, target->end - target->begin, plan->target, &block, err);
    plan->by_annotation = json_object_get(containerd_handlers(block, plan->plugin), INSTALL_RUNTIME) != NULL;
    json_object_foreach((json_t *)containerd_handlers(block, plan->plugin), name, handler)
    {
        const char *path =
            json_string_value(json_object_get(json_object_get(handler, "options"), "BinaryName"));
        struct install_role role;

        if (result == 0 && path != NULL && install_link_parse(CONTAINERD, path, &role))
            result = install_roles_add(&plan->roles, role.network, role.role, err);
    }
    return result;
}

/* Another program than runc behind the handler stays behind it only if sallyport-runtime knows of it. */
static void tell_binary(const struct containerd_plan *plan)
{
    const json_t *options = json_object_get(plan->base, "options");
    const char *binary = json_string_value(json_object_get(options, "BinaryName"));

    if (binary != NULL && binary[0] != '\0' && !plan->request->undo)
        printf("%s: its runtime is %s; for the same one behind sallyport: ln -s %s " RUNTIME_LINK "\n",
               plan->config, binary, binary);
}

/* The document without what our block says: a runc that only we have named is none. */
static int forget_block(struct containerd_plan *plan, const struct target *target, struct error *err)
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
    return containerd_replace_document(plan, take_pointer(without), err);
}

/* A handler of our name outside of our block is somebody else's. */
static int check_handlers(const struct containerd_plan *plan, struct error *err)
{
    const json_t *runtimes = containerd_handlers(plan->document, plan->plugin);
    char name[INSTALL_NAME_SIZE];
    bool found = json_object_get(runtimes, INSTALL_RUNTIME) != NULL;

    if (containerd_is_generated(plan->config)) /* made from our own template */
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
static int make_text(const struct containerd_plan *plan, const struct target *target, char **ret,
                     struct error *err)
{
    cleanup_free char *block = NULL;
    cleanup_free char *text = NULL;
    cleanup_json json_t *ignored = NULL;
    const char *before = target->text != NULL ? target->text : plan->drop_in ? "" : "version = 2\n";
    size_t begin = target->text != NULL ? target->begin : strlen(before);
    const char *newline = begin > 0 && before[begin - 1] != '\n' ? "\n" : "";
    int result = containerd_make_block(plan, &block, err);

    if (result < 0)
        return result;
    if (asprintf(&text, "%.*s%s%s%s", (int)begin, before, newline, block,
                 target->text != NULL ? target->text + target->end : "") < 0)
        return error_set(err, ENOMEM, "%s", plan->target);
    if (!containerd_is_generated(plan->config) &&
        toml_parse(text, strlen(text), plan->target, &ignored, err) < 0) {
        error_prefix(err, "our runtimes cannot be added");
        return error_advise(err, "write the tables above them as [tables], not in braces");
    }
    *ret = take_pointer(text);
    return 0;
}

static int plan_target(struct containerd_plan *plan, const struct target *target, struct error *err)
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

static int plan_all(struct containerd_plan *plan, struct target *target, struct error *err)
{
    struct install_request *request = plan->request;
    int result = read_target(plan, target, err);

    if (result == 0)
        result = read_handlers(plan, target, err);
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
        result = install_plan_links(CONTAINERD, request, &plan->roles, plan->changes, err);
    return result < 0 ? result : plan_target(plan, target, err);
}

static const char *socket_path(const char *config)
{
    return containerd_is_generated(config) ? "/run/k3s/containerd/containerd.sock"
                                           : "/run/containerd/containerd.sock";
}

/* What is written into a file that nobody reads would not take effect. */
static int check_daemon(const struct containerd_plan *plan, struct error *err)
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
    static struct containerd_plan plan;
    struct target target = {0};
    int result = 0;

    plan = (struct containerd_plan){
        .request = request, .changes = changes, .config = containerd_config_path(request)};
    result = check_daemon(&plan, err);
    if (result == 0)
        result = containerd_look(&plan, err);
    if (result == 0)
        result = plan_all(&plan, &target, err);
    free(target.text);
    snprintf(request->written, sizeof(request->written), "%s", plan.target);
    /* A block from before there was a directory for drop-ins. */
    if (result == 0 && request->undo && plan.drop_in && !containerd_is_generated(plan.config)) {
        target = (struct target){0};
        plan.drop_in = false;
        snprintf(plan.target, sizeof(plan.target), "%s", plan.config);
        result = plan_all(&plan, &target, err);
        free(target.text);
    }
    if (result == 0 && request->undo)
        result = install_plan_links(CONTAINERD, request, &plan.roles, changes, err);
    request->roles = plan.roles;
    json_decref(plan.document);
    return result;
}

/* How a person makes it read its files. */
static void print_command(const char *config, const struct engine_containerd *containerd)
{
    if (strcmp(config, CONTAINERD_K3S) == 0)
        puts("not in force yet: systemctl restart k3s (or k3s-agent)");
    else if (strcmp(config, CONTAINERD_RKE2) == 0)
        puts("not in force yet: systemctl restart rke2-server (or rke2-agent)");
    else if (access("/run/systemd/system", F_OK) == 0)
        puts("not in force yet: systemctl restart containerd");
    else
        printf("not in force yet: end containerd, process %d, and start it again\n", containerd->pid);
}

/* Whether it was started after the file was written: it reads its files once. */
static bool is_later(const struct engine_containerd *containerd, const char *written)
{
    struct stat st;

    if (stat(written, &st) < 0 || st.st_mtim.tv_sec > containerd->start.tv_sec)
        return false;
    return st.st_mtim.tv_sec < containerd->start.tv_sec || st.st_mtim.tv_nsec < containerd->start.tv_nsec;
}

/* The containerd that reads the file; pid 0 if none runs. */
static int find_reader(const char *config, struct engine_containerd *ret, struct error *err)
{
    int result = engine_containerd_find(socket_path(config), ret, err);

    if (result == 0 && strcmp(ret->config, config) != 0)
        ret->pid = 0;
    return result;
}

int install_containerd_is_loaded(const struct install_request *request, bool *ret, struct error *err)
{
    struct engine_containerd containerd;
    int result = find_reader(containerd_config_path(request), &containerd, err);

    if (result == 0)
        *ret = containerd.pid == 0 || is_later(&containerd, request->written);
    return result;
}

int install_containerd_in_force(const struct install_request *request, struct error *err)
{
    const char *config = containerd_config_path(request);
    struct engine_containerd containerd;
    int result = find_reader(config, &containerd, err);

    if (result < 0)
        return result;
    if (containerd.pid == 0) {
        if (!request->undo)
            printf("in force when a containerd starts that reads %s\n", config);
        return 0;
    }
    if (request->undo || !is_later(&containerd, request->written))
        print_command(config, &containerd);
    else
        printf("in force: containerd (process %d) was started later\n", containerd.pid);
    return 0;
}
