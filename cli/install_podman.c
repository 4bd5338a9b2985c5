/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport install podman: a hook (oci-hooks(5)) and a drop-in of containers.conf(5), both files of our own.
 *
 * Podman reads hooks in /usr/share/containers/oci/hooks.d and nowhere else, whatever its manual pages say of
 * /etc, unless containers.conf has `hooks_dir`. /usr is the package manager's and may be read-only, so the
 * hook goes below /etc and the drop-in names both directories; where an administrator has set `hooks_dir`,
 * his word stays and the hook goes into his last directory. */
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/install.h"
#include "cli/install_toml.h"

#include <errno.h>
#include <glob.h>
#include <string.h>

static const char ENGINE[] = "podman";
static const char MARK[] = "# Written by `sallyport install podman`";
static const char HOOKS_USR[] = "/usr/share/containers/oci/hooks.d";
static const char HOOKS_ETC[] = "/etc/containers/oci/hooks.d";
static const char HOOK_NAME[] = "sallyport.json";
static const char MANDATORY_NAME[] = "sallyport-mandatory.json";

/* In the order in which Podman reads them: the last word counts. */
static const char *const CONFIGS[] = {"/usr/share/containers/containers.conf",
                                      "/etc/containers/containers.conf",
                                      "/etc/containers/containers.conf.d/*.conf"};

struct plan {
    const struct install_request *request;
    struct changes *changes;
    char hooks[PATH_MAX]; /* the directory for the hook */
    bool hooks_set;       /* by an administrator */
    struct install_roles roles;
    bool default_runtime;
};

/* Takes the last directory of `hooks_dir`, if the file has one. */
static int read_hooks_dir(struct plan *plan, const char *path, struct error *err)
{
    cleanup_free char *text = NULL;
    cleanup_json json_t *config = NULL;
    const json_t *directories = NULL;
    json_t *directory = NULL;
    size_t length = 0;
    size_t index = 0;
    int result = changes_read_target(path, &text, &length, err);

    if (result == 0 && text != NULL)
        result = toml_parse(text, length, path, &config, err);
    directories = json_object_get(json_object_get(config, "engine"), "hooks_dir");
    json_array_foreach(directories, index, directory)
    {
        const char *name = json_string_value(directory);

        if (name == NULL || name[0] != '/')
            continue;
        snprintf(plan->hooks, sizeof(plan->hooks), "%s", name);
        plan->hooks_set = true;
    }
    return result;
}

static int find_hooks_directory(struct plan *plan, struct error *err)
{
    int result = 0;

    snprintf(plan->hooks, sizeof(plan->hooks), "%s", HOOKS_ETC);
    for (size_t i = 0; i < array_size(CONFIGS); i++) {
        glob_t found = {0};

        if (glob(CONFIGS[i], 0, NULL, &found) == 0)
            for (size_t j = 0; j < found.gl_pathc && result == 0; j++)
                if (strcmp(found.gl_pathv[j], INSTALL_PODMAN_CONFIG) != 0)
                    result = read_hooks_dir(plan, found.gl_pathv[j], err);
        globfree(&found);
    }
    return result;
}

/* The text of a stream that was written to, for the caller to free. */
static int finish(FILE *stream, char **text, struct error *err)
{
    bool failed = ferror(stream) != 0;

    if (fclose(stream) != 0 || failed || *text == NULL)
        return error_set(err, ENOMEM, "write Podman's configuration");
    return 0;
}

static int make_config(const struct plan *plan, char **ret_text, size_t *ret_length, struct error *err)
{
    FILE *out = open_memstream(ret_text, ret_length);

    if (out == NULL)
        return error_set(err, errno, "write Podman's configuration");
    fprintf(out,
            "%s, which rewrites it; `sallyport install podman --undo`\n"
            "# removes it. Settings of your own belong into another file.\n\n",
            MARK);
    if (!plan->hooks_set || plan->default_runtime)
        fputs("[engine]\n", out);
    if (!plan->hooks_set)
        fprintf(out, "hooks_dir = [\"%s\", \"%s\"]\n", HOOKS_USR, HOOKS_ETC);
    if (plan->default_runtime)
        fputs("runtime = \"" INSTALL_RUNTIME "\"\n", out);
    fprintf(out, "\n[engine.runtimes]\n%s = [\"%s\"]\n", INSTALL_RUNTIME, plan->request->runtime);
    for (size_t i = 0; i < plan->roles.count; i++) {
        char name[INSTALL_NAME_SIZE];
        char path[PATH_MAX];

        fprintf(out, "%s = [\"%s\"]\n", install_runtime_name(&plan->roles.items[i], name),
                install_link_path(ENGINE, &plan->roles.items[i], path));
    }
    return finish(out, ret_text, err);
}

/* packaging/hooks.d has the same texts, and says why they are so. */
static int make_hook(const struct plan *plan, char **ret_text, size_t *ret_length, struct error *err)
{
    const struct install_role *pin = plan->request->mandatory;
    FILE *out = open_memstream(ret_text, ret_length);

    if (out == NULL)
        return error_set(err, errno, "write Podman's hook");
    fprintf(out,
            "{\n"
            "  \"version\": \"1.0.0\",\n"
            "  \"hook\": {\n"
            "    \"path\": \"%s\",\n"
            "    \"args\": [\"sallyport-hook (journalctl -t sallyport says why)\"",
            plan->request->hook);
    if (pin != NULL && pin->network[0] != '\0')
        fprintf(out, ", \"--network\", \"%s\", \"--role\", \"%s\"", pin->network, pin->role);
    fprintf(out,
            "]\n"
            "  },\n"
            "  \"when\": { %s },\n"
            "  \"stages\": [\"precreate\", \"createRuntime\", \"poststop\"]\n"
            "}\n",
            pin != NULL ? "\"always\": true" : "\"annotations\": { \"^io\\\\.sallyport\\\\.\": \".*\" }");
    return finish(out, ret_text, err);
}

/* The roles and the default of the drop-in that is there. */
static int read_state(struct plan *plan, const char *text, size_t length, struct error *err)
{
    cleanup_json json_t *config = NULL;
    const json_t *engine = NULL;
    json_t *paths = NULL;
    const char *name = NULL;
    int result = 0;

    if (strncmp(text, MARK, strlen(MARK)) != 0) {
        error_set(err, 0, "%s: is not a file that `sallyport install` has written", INSTALL_PODMAN_CONFIG);
        return error_advise(err, "rename it");
    }
    result = toml_parse(text, length, INSTALL_PODMAN_CONFIG, &config, err);
    engine = json_object_get(config, "engine");
    plan->default_runtime = plan->default_runtime || json_object_get(engine, "runtime") != NULL;
    json_object_foreach(json_object_get(engine, "runtimes"), name, paths)
    {
        const char *path = json_string_value(json_array_get(paths, 0));
        struct install_role role;

        if (result == 0 && path != NULL && install_link_parse(ENGINE, path, &role))
            result = install_roles_add(&plan->roles, role.network, role.role, err);
    }
    return result;
}

static int plan_config(struct plan *plan, const char *before, size_t before_length, struct error *err)
{
    cleanup_free char *after = NULL;
    size_t length = 0;
    int result = plan->request->undo ? 0 : make_config(plan, &after, &length, err);

    return result < 0 ? result
                      : changes_file(plan->changes, INSTALL_PODMAN_CONFIG, before, before_length, after,
                                     length, err);
}

/* A hook file of our name; *ret_text is NULL if there is none. Refuses one that runs another program. */
static int read_hook(const char *path, char **ret_text, size_t *ret_length, struct error *err)
{
    cleanup_json json_t *hook = NULL;
    const char *program = NULL;
    int result = changes_read(path, ret_text, ret_length, err);

    if (result < 0 || *ret_text == NULL)
        return result;
    hook = json_loadb(*ret_text, *ret_length, JSON_REJECT_DUPLICATES, NULL);
    program = json_string_value(json_object_get(json_object_get(hook, "hook"), "path"));
    program = program != NULL ? strrchr(program, '/') : NULL;
    if (program != NULL && strcmp(program, "/sallyport-hook") == 0)
        return 0;
    error_set(err, 0, "%s: does not run sallyport-hook, so it is not ours", path);
    return error_advise(err, "rename it, or take it out");
}

/* Whether a package's hook takes every container: one that takes some has no place beside it. Where an
 * administrator has set `hooks_dir`, Podman may not read it. */
static bool mandatory_is_packaged(const struct plan *plan)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", HOOKS_USR, MANDATORY_NAME);
    if (plan->hooks_set || access(path, F_OK) < 0)
        return false;
    printf("the hook takes every container: %s\n", path);
    return true;
}

/* Plans the hook's file in `directory`: one of the two, the mandatory one if there is one already. */
static int plan_hook(struct plan *plan, const char *directory, bool wanted, struct error *err)
{
    char paths[2][PATH_MAX + 64];
    char *before[2] = {NULL, NULL};
    size_t before_length[2] = {0, 0};
    cleanup_free char *text = NULL;
    size_t length = 0;
    int result = wanted ? make_hook(plan, &text, &length, err) : 0;
    bool mandatory = plan->request->mandatory != NULL;

    for (size_t i = 0; i < 2 && result == 0; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/%s", directory, i == 0 ? HOOK_NAME : MANDATORY_NAME);
        result = read_hook(paths[i], &before[i], &before_length[i], err);
    }
    if (result == 0 && wanted && !mandatory && before[1] == NULL)
        wanted = !mandatory_is_packaged(plan);
    if (result == 0 && wanted && !mandatory && before[1] != NULL)
        puts("the hook takes every container, as it did before");
    else if (result == 0)
        for (size_t i = 0; i < 2 && result == 0; i++)
            result = changes_file(plan->changes, paths[i], before[i], before_length[i],
                                  wanted && mandatory == (i == 1) ? text : NULL, length, err);
    free(before[0]);
    free(before[1]);
    return result;
}

static int plan_hooks(struct plan *plan, struct error *err)
{
    bool elsewhere = strcmp(plan->hooks, HOOKS_ETC) != 0;
    int result = plan_hook(plan, plan->hooks, !plan->request->undo, err);

    /* Left from when nobody had set another directory. */
    return result == 0 && elsewhere ? plan_hook(plan, HOOKS_ETC, false, err) : result;
}

int install_podman(struct install_request *request, struct changes *changes, struct error *err)
{
    static struct plan plan;
    cleanup_free char *before = NULL;
    size_t before_length = 0;
    int result = 0;

    plan = (struct plan){.request = request, .changes = changes, .default_runtime = request->default_runtime};
    result = find_hooks_directory(&plan, err);
    if (result == 0)
        result = changes_read(INSTALL_PODMAN_CONFIG, &before, &before_length, err);
    if (result == 0 && before != NULL)
        result = read_state(&plan, before, before_length, err);
    for (size_t i = 0; i < request->roles.count && result == 0; i++) {
        const struct install_role *role = &request->roles.items[i];

        result = install_roles_add(&plan.roles, role->network, role->role, err);
    }
    /* Links are there before something names them, and go after it. */
    if (result == 0 && !request->undo)
        result = install_plan_links(ENGINE, request, &plan.roles, changes, err);
    if (result == 0)
        result = plan_hooks(&plan, err);
    if (result == 0)
        result = plan_config(&plan, before, before_length, err);
    if (result == 0 && request->undo)
        result = install_plan_links(ENGINE, request, &plan.roles, changes, err);
    request->roles = plan.roles;
    return result;
}

int install_podman_in_force(const struct install_request *request, struct error *err)
{
    (void)err;
    if (!request->undo)
        puts("in force for every container that `podman run` and `podman create` make from now on");
    return 0;
}

int install_podman_has_hook(bool *ret, struct error *err)
{
    static const char *const NAMES[] = {HOOK_NAME, MANDATORY_NAME};
    static struct plan plan;
    char path[PATH_MAX + 32];
    int result = find_hooks_directory(&plan, err);

    if (result < 0)
        return result;
    *ret = false;
    for (size_t i = 0; i < array_size(NAMES); i++) {
        snprintf(path, sizeof(path), "%s/%s", plan.hooks, NAMES[i]);
        *ret = *ret || access(path, F_OK) == 0;
        snprintf(path, sizeof(path), "%s/%s", HOOKS_USR, NAMES[i]);
        *ret = *ret || access(path, F_OK) == 0;
    }
    return 0;
}
