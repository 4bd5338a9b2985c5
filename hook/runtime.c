/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport-runtime: a thin OCI runtime. It stands where an engine expects runc, changes what has to be
 * changed for a container to be sealed, and then becomes runc or crun: exit status, streams, terminal and
 * signals are the runtime's own.
 *
 * Theory of operation.
 *     create, run    the bundle's config.json is edited before the runtime reads it (hook/bundle.h)
 *     start          the container is looked at for the last time (hook/seal.h); one that is refused is ended
 *     exec           the process that joins gets no more than the container has (hook/exec_process.h)
 *     restore        refused: a restored process brings sockets and filters of another time
 *     anything else  goes through untouched
 *
 * Invariant: where anything is wrong, the runtime is not executed, and the error is where the engine looks
 * for the runtime's own: in its --log and on standard error. */
#include "base/cleanup.h"
#include "base/log.h"
#include "base/rootless.h"
#include "hook/attach.h"
#include "hook/bundle.h"
#include "hook/command_line.h"
#include "hook/edit.h"
#include "hook/engine_environment.h"
#include "hook/exec_process.h"
#include "hook/runtime_end.h"
#include "hook/runtime_log.h"
#include "hook/runtime_path.h"
#include "hook/runtime_record.h"
#include "hook/runtime_state.h"
#include "hook/seal.h"
#include "hook/selection.h"
#include "hook/voucher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

static const char USAGE[] =
    "Usage: sallyport-runtime [--network NETWORK] [--role ROLE] [--runtime PATH] RUNTIME-ARGUMENTS\n"
    "\n"
    "An OCI runtime for docker --runtime, podman --runtime and containerd: seals the container's network, "
    "and\n"
    "is runc or crun otherwise. All other options and verbs are theirs.\n"
    "\n"
    "  --network NETWORK  the network, whatever the container's annotation io.sallyport.network says\n"
    "  --role ROLE        the role, whatever the container's annotation io.sallyport.role says\n"
    "  --runtime PATH     the runtime behind (default: where " RUNTIME_LINK " leads, else runc, else crun)\n"
    "  --help             show this text\n"
    "  --version          show the version, and which runtime is behind\n"
    "\n"
    "A link to this program that is named sallyport-runtime.NETWORK or sallyport-runtime.NETWORK.ROLE pins\n"
    "them by its name.\n";

/* Becomes the runtime. Only returns on failure. */
static int execute(const char *runtime, char **arguments, struct error *err)
{
    char *empty[] = {NULL};
    size_t count = 0;
    cleanup_free char **copy = NULL;

    if (arguments == NULL)
        arguments = empty;
    while (arguments[count] != NULL)
        count++;
    copy = calloc(count + 2, sizeof(*copy));
    if (copy == NULL)
        return error_set(err, ENOMEM, "execute %s", runtime);
    copy[0] = (char *)(uintptr_t)runtime;
    memcpy(copy + 1, arguments, count * sizeof(*copy));
    execve(runtime, copy, engine_environment());
    return error_set(err, errno, "execute %s", runtime);
}

/* Runtimes hand the descriptors that these speak of on into the container (runc at create and run, crun at
 * exec too, whatever LISTEN_PID says): sockets of whoever started the engine. */
static void forget_passed_sockets(void)
{
    engine_environment_drop("LISTEN_FDS");
    engine_environment_drop("LISTEN_PID");
    engine_environment_drop("LISTEN_FDNAMES");
}

/* With it both runtimes mount a socket into the container that leads to them, and from there to whoever
 * manages the engine (crun after every hook, where nobody sees it any more). */
static int refuse_notify_socket(struct error *err)
{
    const char *path = engine_environment_get("NOTIFY_SOCKET");

    engine_environment_drop("NOTIFY_SOCKET");
    if (path == NULL || path[0] == '\0')
        return 0;
    error_set(err, 0, "NOTIFY_SOCKET is set, and would give the container a socket that leads to the host");
    return error_advise(err, "drop --sdnotify container (use conmon), or unset it");
}

static int create(const struct command_line *command, struct error *err)
{
    int result = 0;

    log_context(NULL, NULL, command->id);
    forget_passed_sockets();
    result = refuse_notify_socket(err);
    if (result < 0)
        return result;
    return bundle_edit(command->bundle != NULL ? command->bundle : ".", &command->pin, err);
}

struct container { /* as the runtime and the bundle know it */
    json_t *document;
    struct state state;
    json_t *config;
    int bundle;
    struct edit_pin pin;
};

#define CONTAINER_NONE \
    {                  \
        .bundle = -1   \
    }

static void container_close(const struct container *container)
{
    json_decref(container->document);
    json_decref(container->config);
    cleanup_close_at(&container->bundle);
}

static int refuse_strange(struct error *err)
{
    error_set(err, 0, "the container was not created by sallyport-runtime: its config has no hook of ours");
    return error_advise(err, "delete it, and create it with this runtime");
}

/* A start needs nothing but to see that the container waits for it, which a record can show. */
static int find_state(const char *runtime, const struct command_line *command, json_t **ret,
                      struct error *err)
{
    if (command->verb == COMMAND_START && runtime_record_read(command->root, command->id, ret))
        return 0;
    return runtime_state(runtime, command, ret, err);
}

/* Asks for the state, and loads the config that was edited at create. */
static int container_find(const char *runtime, const struct command_line *command, struct container *ret,
                          struct error *err)
{
    const char *bundle = NULL;
    int result = 0;

    log_context(NULL, NULL, command->id);
    result = find_state(runtime, command, &ret->document, err);
    if (result < 0)
        return result;
    bundle = json_string_value(json_object_get(ret->document, "bundle"));
    if (bundle == NULL || bundle[0] != '/')
        return error_set(err, 0, "%s state: `bundle` is missing or not an absolute path", runtime);
    result = voucher_load(bundle, &ret->bundle, &ret->config, err);
    if (result == 0 && edit_own_hook(ret->config) == NULL)
        result = refuse_strange(err);
    if (result == 0)
        edit_adopt_environment(ret->config);
    return result < 0 ? result : edit_find_pin(ret->config, &command->pin, &ret->pin, err);
}

static int check_created(const json_t *document, struct error *err)
{
    const char *status = json_string_value(json_object_get(document, "status"));

    if (status != NULL && strcmp(status, "created") == 0)
        return 0;
    return error_set(err, 0, "start: the container is %s, not created", status != NULL ? status : "nothing");
}

static int seal_container(struct container *container, struct error *err)
{
    struct policy policy;
    struct attach_request request = {
        .state = &container->state,
        .config = container->config,
        .bundle = container->bundle,
        .policy = &policy,
    };
    const json_t *annotations = json_object_get(container->config, "annotations");
    int result = check_created(container->document, err);

    if (result == 0)
        result = state_read(container->document, &container->state, err);
    if (result == 0)
        result = selection_resolve(&container->pin.selection, annotations, &policy, &request.role, err);
    if (result < 0)
        return result;
    result = seal(&request, err);
    policy_free(&policy);
    return result;
}

static int start(const char *runtime, const struct command_line *command, struct error *err)
{
    struct container container = CONTAINER_NONE;
    int result = container_find(runtime, command, &container, err);

    if (result == 0)
        result = seal_container(&container, err);
    if (result < 0 && container.state.pid > 0)
        runtime_end(runtime, command, container.state.pid);
    container_close(&container);
    return result;
}

/* Puts the edited copy in the place of the engine's --process file. */
static int replace_process(struct command_line *command, const json_t *config, struct error *err)
{
    static char argument[64];
    int file = exec_process_open(command->process_file, config, err);

    if (file < 0)
        return file;
    snprintf(argument, sizeof(argument), "--process=/proc/self/fd/%d", file);
    command_line_set_process(command, argument);
    return 0;
}

/* Who joins before the start would run before the seal, next to whatever the engine has attached. */
static int check_started(const json_t *document, struct error *err)
{
    const char *status = json_string_value(json_object_get(document, "status"));

    if (status != NULL && strcmp(status, "created") != 0 && strcmp(status, "creating") != 0)
        return 0;
    error_set(err, 0, "exec: the container has not been started, and so not been sealed");
    return error_advise(err, "start it first");
}

static int join(const char *runtime, struct command_line *command, struct error *err)
{
    struct container container = CONTAINER_NONE;
    int result = container_find(runtime, command, &container, err);

    forget_passed_sockets();
    if (result == 0)
        result = check_started(container.document, err);
    if (result == 0)
        result = exec_process_check_capabilities(command->capabilities, command->capabilities_count,
                                                 container.config, err);
    if (result == 0 && command->process_file != NULL)
        result = replace_process(command, container.config, err);
    container_close(&container);
    return result;
}

static int refuse_restore(struct error *err)
{
    error_set(err, 0, "restore: a checkpoint brings back sockets and processes that nobody has sealed");
    return error_advise(err, "start a new container");
}

/* The version of this program goes first: an engine takes the last line with `version` for the runtime's. */
static void print_version(const char *runtime)
{
    printf("sallyport-runtime " SALLYPORT_VERSION ", runs %s\n", runtime);
    fflush(stdout);
}

/* What has to be done before the runtime may be executed. */
static int prepare(const char *runtime, struct command_line *command, struct error *err)
{
    switch (command->verb) {
    case COMMAND_CREATE:
    case COMMAND_RUN:
        return create(command, err);
    case COMMAND_START:
        return start(runtime, command, err);
    case COMMAND_EXEC:
        return join(runtime, command, err);
    case COMMAND_RESTORE:
        return refuse_restore(err);
    case COMMAND_VERSION:
        print_version(runtime);
        return 0;
    case COMMAND_HELP:
    case COMMAND_OTHER:
    default:
        return 0;
    }
}

static int run(struct command_line *command, struct error *err)
{
    char runtime[PATH_MAX];
    int result = runtime_path_find(command->runtime, runtime, err);

    if (result == 0)
        result = prepare(runtime, command, err);
    return result < 0 ? result : execute(runtime, command->arguments, err);
}

/* Where a person looks, and where the engine does. */
static void report(const struct command_line *command, const struct error *err)
{
    char line[sizeof(err->text) + 128];

    log_error(err);
    snprintf(line, sizeof(line), "sallyport: %s", log_line(err));
    runtime_log_error(command, line);
}

/* What whoever started us may have left undone: a standard stream that is closed would be the number of the
 * next file that is opened here, and the exit status of a child is lost where SIGCHLD is ignored. */
static int settle(struct error *err)
{
    int fd = 0;

    signal(SIGCHLD, SIG_DFL);
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO) /* NOLINT(android-*) */
        ;
    if (fd < 0)
        return error_set(err, errno, "open /dev/null");
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    /* As the kernel knows it: argv[0] is whatever the caller wrote there. */
    const char *name = (const char *)(uintptr_t)getauxval(AT_EXECFN);
    struct command_line command = {0};
    struct error err = {0};
    int result = 0;

    rootless_config_home(); /* counts only without root */
    engine_environment_set_aside();
    result = settle(&err);
    if (result == 0)
        result = command_line_parse(name != NULL ? name : "", argc, argv, &command, &err);
    if (result == 0 && command.verb == COMMAND_HELP)
        return fputs(USAGE, stdout) < 0 || fflush(stdout) != 0 ? 1 : 0;
    if (result == 0)
        run(&command, &err);
    report(&command, &err);
    command_line_free(&command);
    return 1;
}
