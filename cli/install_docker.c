/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport install docker: runtimes in daemon.json.
 *
 * Roles are pinned by links, not by `runtimeArgs`: dockerd makes a shell script of these that does not exec,
 * and when a verb times out the runtime below it goes on alone. */
#include "base/cleanup.h"
#include "cli/engine_docker.h"
#include "cli/install.h"
#include "cli/install_json.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static const char DEFAULT_CONFIG[] = "/etc/docker/daemon.json";
static const char SNAP_CONFIG[] = "/var/snap/docker/current/config/daemon.json";
static const char SNAP_DIRECTORY[] = "/var/snap/docker/current/config";

enum { RELOAD_SECONDS = 15 };

static const char *config_path(const struct install_request *request)
{
    if (request->config != NULL)
        return request->config;
    return access(DEFAULT_CONFIG, F_OK) < 0 && access(SNAP_DIRECTORY, F_OK) == 0 ? SNAP_CONFIG
                                                                                 : DEFAULT_CONFIG;
}

/* What the command line of dockerd says as well. With a default runtime in both places it would not start any
 * more; runtimes of both are put together when it starts, but a reload leaves only those of the file. */
static int check_flags(const struct engine_docker *docker, const struct install_request *request,
                       struct error *err)
{
    if (docker->default_by_flag && request->default_runtime) {
        error_set(err, 0,
                  "dockerd (process %d) was started with --default-runtime, and does not start with the same "
                  "in its "
                  "file too",
                  docker->pid);
        return error_advise(err, "take it from the command line");
    }
    if (docker->runtimes_by_flag && request->reload) {
        error_set(err, 0, "a reload makes dockerd (process %d) forget the runtimes of its --add-runtime",
                  docker->pid);
        return error_advise(err, "move them to %s, or restart it instead of --reload", docker->config);
    }
    return 0;
}

/* What the daemon that runs, if one does, has to say against the plan. */
static int check_daemon(const struct install_request *request, const char *config, struct error *err)
{
    struct engine_docker docker;
    int result = engine_docker_find(request->pid_file, &docker, err);

    if (result < 0 || docker.pidfd < 0)
        return result;
    if (strcmp(docker.config, config) != 0 && request->config == NULL) {
        error_set(err, 0, "dockerd (process %d) reads %s, not %s", docker.pid, docker.config, config);
        result = error_advise(err, "use --config %s", docker.config);
    } else if (strcmp(docker.config, config) == 0 && !request->undo) {
        result = check_flags(&docker, request, err);
        if (result == 0)
            result = engine_docker_sees(&docker, request->runtime, err);
    }
    engine_docker_close(&docker);
    return result;
}

struct edit {
    const struct install_request *request;
    const char *config;
    char *text;
    size_t length;
    json_t *document; /* what the file said */
    struct install_roles roles;
};

/* The path of the runtime in the file; NULL if there is none, "" if it is none that could be ours. */
static const char *path_of(const struct edit *edit, const char *name)
{
    const json_t *runtime = json_object_get(json_object_get(edit->document, "runtimes"), name);
    const char *path = json_string_value(json_object_get(runtime, "path"));

    if (runtime == NULL)
        return NULL;
    return path != NULL && json_object_size(runtime) == 1 ? path : "";
}

static int check_document(const struct edit *edit, struct error *err)
{
    const json_t *runtimes = json_object_get(edit->document, "runtimes");

    if (runtimes == NULL || json_is_object(runtimes))
        return 0;
    error_set(err, 0, "%s: `runtimes` is not an object", edit->config);
    return error_advise(err, "repair it: dockerd does not start with it either");
}

static int add_runtime(struct edit *edit, const char *name, const char *path, struct error *err)
{
    const char *there = path_of(edit, name);
    char value[PATH_MAX + 16];
    int result = 0;

    if (there != NULL && strcmp(there, path) == 0)
        return 0;
    if (there != NULL) {
        error_set(err, 0, "%s: has a runtime `%s` already, which is not %s", edit->config, name, path);
        return error_advise(err, "rename it, or take it out");
    }
    if (json_object_get(edit->document, "runtimes") == NULL) {
        result = install_json_add(&edit->text, &edit->length, NULL, "runtimes", "{}", err);
        json_object_set_new(edit->document, "runtimes", json_object());
    }
    snprintf(value, sizeof(value), "{\"path\": \"%s\"}", path);
    return result < 0 ? result : install_json_add(&edit->text, &edit->length, "runtimes", name, value, err);
}

static int add_default(struct edit *edit, struct error *err)
{
    const json_t *there = json_object_get(edit->document, "default-runtime");

    if (there == NULL)
        return install_json_add(&edit->text, &edit->length, NULL, "default-runtime",
                                "\"" INSTALL_RUNTIME "\"", err);
    if (json_is_string(there) && strcmp(json_string_value(there), INSTALL_RUNTIME) == 0)
        return 0;
    error_set(err, 0, "%s: has another `default-runtime` already", edit->config);
    return error_advise(err, "take it out first");
}

static int add_all(struct edit *edit, struct error *err)
{
    int result = add_runtime(edit, INSTALL_RUNTIME, edit->request->runtime, err);

    for (size_t i = 0; i < edit->roles.count && result == 0; i++) {
        char name[INSTALL_NAME_SIZE];
        char path[PATH_MAX];

        result = add_runtime(edit, install_runtime_name(&edit->roles.items[i], name),
                             install_link_path("docker", &edit->roles.items[i], path), err);
    }
    if (result == 0 && edit->request->default_runtime)
        result = add_default(edit, err);
    return result;
}

/* The roles of which the file has a runtime of ours, name and path. */
static int find_roles(const struct edit *edit, struct install_roles *ret, struct error *err)
{
    const json_t *runtime = NULL;
    const char *name = NULL;
    int result = 0;

    json_object_foreach(json_object_get(edit->document, "runtimes"), name, runtime)
    {
        const char *path = path_of(edit, name);
        char expected[INSTALL_NAME_SIZE];
        struct install_role role;

        if (result == 0 && install_link_parse("docker", path, &role) &&
            strcmp(install_runtime_name(&role, expected), name) == 0)
            result = install_roles_add(ret, role.network, role.role, err);
    }
    return result;
}

static int remove_runtime(struct edit *edit, const char *name, struct error *err)
{
    int result = install_json_remove(&edit->text, &edit->length, "runtimes", name, err);

    if (result == 0)
        json_object_del(json_object_get(edit->document, "runtimes"), name);
    return result;
}

/* Containers that name no runtime need one that exists. */
static int remove_default(struct edit *edit, bool runtime_is_ours, struct error *err)
{
    const char *name = json_string_value(json_object_get(edit->document, "default-runtime"));

    if (name == NULL || strcmp(name, INSTALL_RUNTIME) != 0 || !runtime_is_ours)
        return 0;
    json_object_del(edit->document, "default-runtime");
    return install_json_remove(&edit->text, &edit->length, NULL, "default-runtime", err);
}

static int remove_all(struct edit *edit, struct error *err)
{
    const char *path = path_of(edit, INSTALL_RUNTIME);
    bool ours = path != NULL && strcmp(path, edit->request->runtime) == 0;
    bool any = ours || edit->roles.count > 0;
    int result = remove_default(edit, ours, err);

    if (path != NULL && !ours)
        printf("%s: the runtime `%s` is another program than %s: it stays\n", edit->config, INSTALL_RUNTIME,
               edit->request->runtime);
    if (ours && result == 0)
        result = remove_runtime(edit, INSTALL_RUNTIME, err);
    for (size_t i = 0; i < edit->roles.count && result == 0; i++) {
        char name[INSTALL_NAME_SIZE];

        result = remove_runtime(edit, install_runtime_name(&edit->roles.items[i], name), err);
    }
    if (result < 0 || !any || json_object_size(json_object_get(edit->document, "runtimes")) > 0)
        return result;
    json_object_del(edit->document, "runtimes");
    return install_json_remove(&edit->text, &edit->length, NULL, "runtimes", err);
}

/* Plans the file. One that is empty after --undo is one that install made. */
static int plan_file(struct edit *edit, const char *before, size_t before_length, struct changes *changes,
                     struct error *err)
{
    bool removed = edit->request->undo && before != NULL && json_object_size(edit->document) == 0 &&
                   edit->length != before_length;

    return changes_file(changes, edit->config, before, before_length, removed ? NULL : edit->text,
                        edit->length, err);
}

static int plan(struct edit *edit, const char *before, size_t before_length, struct changes *changes,
                struct error *err)
{
    const struct install_request *request = edit->request;
    int result = install_json_parse(edit->text, edit->length, edit->config, &edit->document, err);

    if (result == 0)
        result = check_document(edit, err);
    if (result == 0)
        result = request->undo ? find_roles(edit, &edit->roles, err) : 0;
    if (result == 0)
        result = request->undo ? remove_all(edit, err) : add_all(edit, err);
    /* Links are there before something names them, and go after it. */
    if (result == 0 && !request->undo)
        result = install_plan_links("docker", request, &edit->roles, changes, err);
    if (result == 0)
        result = plan_file(edit, before, before_length, changes, err);
    if (result == 0 && request->undo)
        result = install_plan_links("docker", request, &edit->roles, changes, err);
    return result;
}

int install_docker(struct install_request *request, struct changes *changes, struct error *err)
{
    struct edit edit = {.request = request, .config = config_path(request), .roles = request->roles};
    cleanup_free char *before = NULL;
    size_t before_length = 0;
    int result = check_daemon(request, edit.config, err);

    if (result == 0)
        result = changes_read(edit.config, &before, &before_length, err);
    if (result < 0 || (before == NULL && request->undo))
        return result;
    edit.length = before != NULL ? before_length : strlen("{}\n");
    edit.text = before != NULL ? strndup(before, before_length) : strdup("{}\n");
    if (edit.text == NULL)
        return error_set(err, ENOMEM, "%s", edit.config);
    result = plan(&edit, before, before_length, changes, err);
    request->roles = edit.roles;
    free(edit.text);
    json_decref(edit.document);
    return result;
}

/* Whether the daemon knows the runtime by this path. */
static bool has_runtime(const json_t *info, const char *name, const char *path)
{
    const json_t *runtime = json_object_get(json_object_get(info, "Runtimes"), name);
    const char *there = json_string_value(json_object_get(runtime, "path"));

    return there != NULL && strcmp(there, path) == 0;
}

static bool is_loaded(const struct install_request *request, const json_t *info)
{
    bool wanted = !request->undo;
    const char *name = json_string_value(json_object_get(info, "DefaultRuntime"));

    if (has_runtime(info, INSTALL_RUNTIME, request->runtime) != wanted)
        return false;
    if (request->default_runtime && (name == NULL || strcmp(name, INSTALL_RUNTIME) != 0))
        return false;
    for (size_t i = 0; i < request->roles.count; i++) {
        const struct install_role *role = &request->roles.items[i];
        char runtime[INSTALL_NAME_SIZE];
        char path[PATH_MAX];

        if (has_runtime(info, install_runtime_name(role, runtime), install_link_path("docker", role, path)) !=
            wanted)
            return false;
    }
    return true;
}

/* Asks the daemon until it has loaded what was written, or the time is over. Returns 1 if it has, 0 if not.
 */
static int ask(const struct install_request *request, const char *socket, time_t seconds, struct error *err)
{
    static const struct timespec pause = {.tv_nsec = 100L * 1000 * 1000};
    time_t end = time(NULL) + seconds;

    for (;;) {
        cleanup_json json_t *info = NULL;
        int result = engine_docker_info(socket, &info, err);

        if (result < 0)
            return result;
        if (is_loaded(request, info))
            return 1;
        if (time(NULL) >= end)
            return 0;
        nanosleep(&pause, NULL);
    }
}

/* How a person makes dockerd do what `verb` (reload, restart) says. */
static const char *command(const struct engine_docker *docker, const char *config, const char *verb)
{
    static char text[128];

    if (strcmp(config, SNAP_CONFIG) == 0)
        return "snap restart docker";
    if (access("/run/systemd/system", F_OK) == 0)
        snprintf(text, sizeof(text), "systemctl %s docker", verb);
    else if (strcmp(verb, "reload") == 0)
        snprintf(text, sizeof(text), "kill -HUP %d", docker->pid);
    else
        snprintf(text, sizeof(text), "end dockerd, process %d, and start it again", docker->pid);
    return text;
}

static int reload(const struct install_request *request, const struct engine_docker *docker,
                  const char *socket, struct error *err)
{
    int result = engine_docker_reload(docker, err);

    if (result == 0)
        result = ask(request, socket, RELOAD_SECONDS, err);
    if (result < 0)
        return result;
    if (result > 0) {
        printf("in force: dockerd (process %d) has loaded the runtimes\n", docker->pid);
        return 0;
    }
    error_set(err, 0, "dockerd (process %d) was told to read %s again, but does not have the runtimes",
              docker->pid, docker->config);
    return error_advise(err, "its log says why");
}

static void tell(const struct install_request *request, const struct engine_docker *docker,
                 const char *socket)
{
    struct error unanswered = {0};
    int result = ask(request, socket, 0, &unanswered);

    if (result < 0)
        printf("it cannot be seen whether dockerd has it (%s; --host names another socket)\n",
               unanswered.text);
    if (result > 0)
        printf("in force: dockerd (process %d) says so\n", docker->pid);
    else if (request->undo) /* a file without `runtimes` says nothing of them when it is read again */
        printf("not in force yet, dockerd keeps what it has: %s\n",
               command(docker, docker->config, "restart"));
    else
        printf("not in force yet: %s\n",
               command(docker, docker->config, docker->runtimes_by_flag ? "restart" : "reload"));
}

/* No running daemon reads the file. */
static int absent(const struct install_request *request, const char *config, struct error *err)
{
    if (request->reload) {
        error_set(err, 0, "no running dockerd reads %s, so there is none to reload", config);
        return error_advise(err, "start Docker: it reads it then");
    }
    if (!request->undo)
        printf("in force when a dockerd starts that reads %s\n", config);
    return 0;
}

int install_docker_is_loaded(const struct install_request *request, bool *ret, struct error *err)
{
    const char *config = config_path(request);
    struct engine_docker docker;
    int result = engine_docker_find(request->pid_file, &docker, err);

    if (result < 0)
        return result;
    if (docker.pidfd >= 0 && strcmp(docker.config, config) == 0)
        result = ask(request, docker.socket, 0, err);
    else
        result = 1;
    engine_docker_close(&docker);
    if (result < 0)
        return result;
    *ret = result > 0;
    return 0;
}

int install_docker_in_force(const struct install_request *request, struct error *err)
{
    static const char UNIX[] = "unix://";
    const char *config = config_path(request);
    const char *socket = NULL;
    struct engine_docker docker;
    int result = engine_docker_find(request->pid_file, &docker, err);

    if (result < 0)
        return result;
    socket = request->host != NULL ? request->host : docker.socket;
    if (strncmp(socket, UNIX, strlen(UNIX)) == 0)
        socket += strlen(UNIX);
    if (docker.pidfd < 0 || strcmp(docker.config, config) != 0)
        result = absent(request, config, err);
    else if (request->reload)
        result = reload(request, &docker, socket, err);
    else
        tell(request, &docker, socket);
    engine_docker_close(&docker);
    return result;
}
