/* SPDX-License-Identifier: Apache-2.0
 *
 * What containerd is configured to, and where something can be added so that it takes effect. */
#include "base/cleanup.h"
#include "cli/install_containerd.h"
#include "cli/install_toml.h"

#include <errno.h>
#include <glob.h>
#include <string.h>

static const char DROP_IN[] = "99-sallyport.toml";
static const char CRI_2[] = "io.containerd.grpc.v1.cri";
static const char CRI_3[] = "io.containerd.cri.v1.runtime";
static const char RUNC_TYPE[] = "io.containerd.runc.v2";
static const char RANCHER[] = "/var/lib/rancher/";

static const char *const CONFIGS[] = {"/etc/containerd/config.toml", CONTAINERD_K3S, CONTAINERD_RKE2};

const char *containerd_config_path(const struct install_request *request)
{
    if (request->config != NULL)
        return request->config;
    for (size_t i = 0; i < array_size(CONFIGS); i++)
        if (access(CONFIGS[i], F_OK) == 0)
            return CONFIGS[i];
    return CONFIGS[0];
}

bool containerd_is_generated(const char *config)
{
    return strncmp(config, RANCHER, strlen(RANCHER)) == 0;
}

const json_t *containerd_handlers(const json_t *document, const char *plugin)
{
    const json_t *cri = json_object_get(json_object_get(document, "plugins"), plugin);

    return json_object_get(json_object_get(cri, "containerd"), "runtimes");
}

/* The patterns of `imports`, those without a slash in front below the file's directory. */
static bool import_pattern(const struct containerd_plan *plan, const json_t *pattern, char ret[PATH_MAX])
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
static int merge_import(struct containerd_plan *plan, const char *path, struct error *err)
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

static int merge_imports(struct containerd_plan *plan, struct error *err)
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
static bool find_drop_in(struct containerd_plan *plan)
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
static int find_template(struct containerd_plan *plan, struct error *err)
{
    const char *suffix = plan->version >= 3 ? "-v3.toml.tmpl" : ".toml.tmpl";
    size_t stem = strlen(plan->config) - strlen(".toml");

    snprintf(plan->target, sizeof(plan->target), "%.*s%s", (int)stem, plan->config, suffix);
    if (plan->request->undo || access(plan->target, F_OK) == 0)
        return 0;
    error_set(err, 0, "%s: is made anew from a template at each start", plan->config);
    return error_advise(err, "write the line {{ template \"base\" . }} into %s and try again", plan->target);
}

static int find_target(struct containerd_plan *plan, struct error *err)
{
    plan->drop_in = plan->version >= 3 && find_drop_in(plan);
    if (plan->drop_in)
        return 0;
    snprintf(plan->target, sizeof(plan->target), "%s", plan->config);
    return containerd_is_generated(plan->config) ? find_template(plan, err) : 0;
}

static int check_version(struct containerd_plan *plan, struct error *err)
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
static int check_enabled(const struct containerd_plan *plan, struct error *err)
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
static void find_base(struct containerd_plan *plan)
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

int containerd_replace_document(struct containerd_plan *plan, json_t *document, struct error *err)
{
    int result = 0;

    json_decref(plan->document);
    plan->document = document;
    result = merge_imports(plan, err);
    find_base(plan);
    return result;
}

int containerd_look(struct containerd_plan *plan, struct error *err)
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
