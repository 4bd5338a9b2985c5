/* SPDX-License-Identifier: Apache-2.0
 *
 * The engines: what `sallyport install` would still have to do. It is asked itself: its plan is made as for
 * --dry-run and thrown away, so that this file knows nothing of daemon.json, containers.conf and config.toml.
 *
 * An engine that is not there, or that nobody has set up, is no failure: one seals with the engine one uses.
 */
#include "base/cleanup.h"
#include "base/program.h"
#include "cli/check.h"
#include "cli/engine_docker.h"
#include "cli/install.h"
#include "netns/child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum state { /* of an engine's configuration, by what would change */
             STATE_WHOLE,
             STATE_ROLES_MISSING, /* some networks' roles have no runtime */
             STATE_NOTHING,       /* nothing of ours */
             STATE_OUTDATED,      /* what is of ours is not as it would be made now */
             STATE_NOT_LOADED,    /* the files are good, and the running daemon has not read them */
};

struct engine {
    const char *name;
    const char *programs[3];
    int (*plan)(struct install_request *request, struct changes *changes, struct error *err);
    int (*is_loaded)(const struct install_request *request, bool *ret, struct error *err); /* or NULL */
    enum check_level unused; /* of an engine without anything of ours */
    const char *restart;     /* how it reads its files; NULL: `install` makes it */
};

static const struct engine ENGINES[] = {
    {"docker",
     {"/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd"},
     install_docker,
     install_docker_is_loaded,
     CHECK_WARNING,
     NULL},
    {"podman", {"/usr/bin/podman", "/usr/local/bin/podman", NULL}, install_podman, NULL, CHECK_WARNING, NULL},
    /* Docker brings one that is never asked by Kubernetes. */
    {"containerd",
     {"/usr/bin/containerd", "/usr/local/bin/containerd", "/usr/local/bin/k3s"},
     install_containerd,
     install_containerd_is_loaded,
     CHECK_NOTE,
     "`systemctl restart containerd` (or k3s, rke2-server, rke2-agent)"},
};

struct question {
    const struct engine *engine;
    const struct check_networks *networks;
    const char *config; /* NULL: the usual */
};

/* The built-in network's one role needs no runtime of its own: `sallyport` is it. */
static int add_network(struct install_roles *roles, const struct policy *policy, struct error *err)
{
    int result = 0;

    if (policy->built_in)
        return 0;
    for (size_t i = 0; i < policy->roles_count && result == 0; i++)
        result = install_roles_add(roles, policy->network, policy->roles[i].name, err);
    if (result == 0 && policy->proxy_at == POLICY_PROXY_AT_MEMBER)
        result = install_roles_add(roles, policy->network, POLICY_PROXY_ROLE, err);
    return result;
}

/* How many changes `install` would make with the roles, or take out with `undo`. */
static int count_changes(const struct question *question, struct install_request *request, size_t *ret,
                         struct error *err)
{
    struct changes *changes = calloc(1, sizeof(*changes));
    int result = 0;

    if (changes == NULL)
        return error_set(err, ENOMEM, "plan what would change");
    request->config = question->config;
    result = question->engine->plan(request, changes, err);
    *ret = changes->count;
    changes_free(changes);
    free(changes);
    return result;
}

/* What is in force of what is there. */
static int ask_loaded(const struct question *question, const struct install_request *there, struct error *err)
{
    bool loaded = true;
    int result = question->engine->is_loaded == NULL ? 0 : question->engine->is_loaded(there, &loaded, err);

    if (result < 0)
        return result;
    return loaded ? STATE_WHOLE : STATE_NOT_LOADED;
}

static int find_state(const struct question *question, struct install_request *request, struct error *err)
{
    static struct install_request there; /* with the roles that the engine has */
    size_t ours = 0;
    size_t missing = 0;
    size_t outdated = 0;
    int result = 0;

    there = *request;
    there.undo = true;
    result = count_changes(question, &there, &ours, err);
    there.undo = false;
    for (size_t i = 0; i < question->networks->count && result == 0; i++)
        result = add_network(&request->roles, &question->networks->list[i].policy, err);
    if (result == 0)
        result = count_changes(question, request, &missing, err);
    if (result == 0 && ours > 0)
        result = count_changes(question, &there, &outdated, err);
    if (result < 0)
        return result;
    if (ours == 0)
        return STATE_NOTHING;
    if (outdated > 0)
        return STATE_OUTDATED;
    result = ask_loaded(question, &there, err);
    return result == STATE_WHOLE && missing > 0 ? STATE_ROLES_MISSING : result;
}

/* In a child whose standard output leads nowhere: plans tell there what one has to know when one installs. */
static int ask(void *data, struct error *err)
{
    static struct install_request request;
    char runtime[PATH_MAX];
    char hook[PATH_MAX];
    cleanup_close int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int result = program_path("sallyport-runtime", runtime, err);

    if (nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0)
        return error_set(err, errno, "open /dev/null");
    if (result == 0)
        result = program_path("sallyport-hook", hook, err);
    if (result < 0)
        return result;
    request = (struct install_request){.runtime = runtime, .hook = hook};
    return find_state(data, &request, err);
}

/* The command that does what is missing. */
static void print_command(const struct question *question, const char *options, char *text, size_t size)
{
    const struct check_networks *networks = question->networks;
    size_t used = (size_t)snprintf(text, size, "`sallyport install %s%s", question->engine->name, options);

    for (size_t i = 0; i < networks->count && used < size; i++)
        if (!networks->list[i].policy.built_in)
            used +=
                (size_t)snprintf(text + used, size - used, " --network %s", networks->list[i].policy.network);
    if (question->config != NULL && used < size)
        used += (size_t)snprintf(text + used, size - used, " --config %s", question->config);
    if (used < size)
        snprintf(text + used, size - used, "`");
}

static void tell(struct checks *checks, const struct question *question, enum state state,
                 const char *options)
{
    static const char *const texts[] = {
        [STATE_ROLES_MISSING] = "not every role of every network has a runtime",
        [STATE_NOTHING] = "not set up",
        [STATE_OUTDATED] = "what is configured is not what these programs need",
        [STATE_NOT_LOADED] = "configured, but the running daemon has not read it",
    };
    const struct engine *engine = question->engine;
    enum check_level level = state == STATE_NOTHING         ? engine->unused
                             : state == STATE_ROLES_MISSING ? CHECK_WARNING
                                                            : CHECK_FAILED;
    char command[2048];
    char text[2048 + 128];

    if (state == STATE_WHOLE) {
        check_add(checks, CHECK_OK, engine->name, "set up");
        return;
    }
    if (state == STATE_NOT_LOADED && engine->restart != NULL)
        snprintf(command, sizeof(command), "%s", engine->restart);
    else
        print_command(question, options, command, sizeof(command));
    snprintf(text, sizeof(text), "%s: %s", texts[state], command);
    check_add(checks, level, engine->name, text);
}

static bool installed(const struct engine *engine)
{
    for (size_t i = 0; i < array_size(engine->programs) && engine->programs[i] != NULL; i++)
        if (access(engine->programs[i], X_OK) == 0)
            return true;
    return false;
}

static void check_engine(struct checks *checks, struct question *question, bool runs)
{
    const struct engine *engine = question->engine;
    /* A dockerd that runs reads its file again; a containerd has to be started again. */
    const char *options = runs && engine->plan == install_docker ? " --reload" : "";
    struct error err = {0};
    int result = 0;

    if (!runs && !installed(engine)) {
        check_add(checks, CHECK_NOTE, engine->name, "not installed");
        return;
    }
    result = child_run(ask, question, &err);
    if (result < 0)
        check_add(checks, CHECK_FAILED, engine->name, err.text);
    else
        tell(checks, question, (enum state)result, options);
}

/* What of a running dockerd is worth knowing. */
static void describe(pid_t pid, const json_t *info, char *text, size_t size)
{
    const char *version = json_string_value(json_object_get(info, "ServerVersion"));
    const char *runtime = json_string_value(json_object_get(info, "DefaultRuntime"));
    bool userns = false;
    size_t i = 0;
    json_t *option = NULL;

    json_array_foreach(json_object_get(info, "SecurityOptions"), i, option)
    {
        const char *name = json_string_value(option);

        userns |= name != NULL && strcmp(name, "name=userns") == 0;
    }
    snprintf(text, size, "process %d, version %.32s, default runtime %.64s%s%s", pid,
             version != NULL ? version : "?", runtime != NULL ? runtime : "?", userns ? ", userns-remap" : "",
             json_is_true(json_object_get(info, "LiveRestoreEnabled")) ? ", live-restore" : "");
}

static void check_docker(struct checks *checks, struct question *question)
{
    cleanup_json json_t *info = NULL;
    struct engine_docker docker = {.pidfd = -1};
    struct error err = {0};
    char text[192];
    int result = engine_docker_find(NULL, &docker, &err);
    bool runs = docker.pidfd >= 0;

    if (result == 0 && runs)
        result = engine_docker_info(docker.socket, &info, &err);
    if (result == 0 && runs)
        describe(docker.pid, info, text, sizeof(text));
    if (runs && strcmp(docker.config, "/etc/docker/daemon.json") != 0)
        question->config = docker.config;
    if (result < 0)
        check_add(checks, CHECK_FAILED, "dockerd", err.text);
    else if (runs)
        check_add(checks, CHECK_OK, "dockerd", text);
    check_engine(checks, question, runs);
    engine_docker_close(&docker);
}

void check_engines(struct checks *checks, const struct check_networks *networks)
{
    for (size_t i = 0; i < array_size(ENGINES); i++) {
        struct question question = {.engine = &ENGINES[i], .networks = networks};

        if (ENGINES[i].plan == install_docker)
            check_docker(checks, &question);
        else
            check_engine(checks, &question, false);
    }
}
