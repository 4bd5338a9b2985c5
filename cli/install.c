/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport install: the words of the command line, and what is common to all engines. */
#include "cli/install.h"

#include "base/cleanup.h"
#include "base/program.h"
#include "cli/verb.h"
#include "hook/runtime_path.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

static const char USAGE[] =
    "Usage: sallyport install docker|podman|containerd [--role NETWORK.ROLE]... [--network NETWORK]...\n"
    "                         [--default-runtime] [--config FILE] [--dry-run] [--undo]\n"
    "       sallyport install docker ... [--reload] [--host unix://SOCKET] [--pidfile FILE]\n"
    "       sallyport install podman ... [--mandatory[=NETWORK.ROLE]]\n"
    "\n"
    "Makes an engine know the runtime `sallyport`, which seals a container for the network and role that "
    "its\n"
    "annotations name. What is in the engine's files stays as it is; what is there already is not done "
    "again.\n"
    "\n"
    "  --role NETWORK.ROLE  one more runtime, sallyport-NETWORK-ROLE, that pins network and role: no "
    "annotation\n"
    "                       can choose another, and engines without annotations (Docker before 24) can use "
    "it\n"
    "  --network NETWORK    the same for each role of the network's policy\n"
    "                       containerd: `sallyport` itself only if no role is named the first time\n"
    "  --default-runtime    containers that name no runtime are sealed, too (docker, podman)\n"
    "  --mandatory[=N.R]    podman: the hook takes every container, not only those with an annotation\n"
    "                       io.sallyport.*, and pins them to the role, if one is given\n"
    "  --config FILE        docker, containerd: the engine's file, where it is not in its usual place\n"
    "  --reload             docker: make the running dockerd read its file, and see that it has\n"
    "  --host, --pidfile    docker: which dockerd that is, if not the usual one\n"
    "  --dry-run            print what would be changed as a diff, and change nothing\n"
    "  --undo               take out what install has put in, all of it. Remove the containers that use it "
    "first:\n"
    "                       without their runtime, they cannot be stopped\n"
    "\n"
    "Docker reads  /etc/docker/daemon.json (snap: /var/snap/docker/current/config/daemon.json)\n"
    "Podman reads  " INSTALL_PODMAN_CONFIG " and hooks.d\n"
    "containerd    /etc/containerd/config.toml, k3s and rke2 their own below /var/lib/rancher\n";

struct engine {
    const char *name;
    int (*plan)(struct install_request *request, struct changes *changes, struct error *err);
    int (*in_force)(const struct install_request *request, struct error *err);
};

static const struct engine ENGINES[] = {
    {"docker", install_docker, install_docker_in_force},
    {"podman", install_podman, install_podman_in_force},
    {"containerd", install_containerd, install_containerd_in_force},
};

/* An engine will execute this as root: nobody else may be able to replace it. */
static int check_program(const char *path, struct error *err)
{
    struct stat st;

    if (stat(path, &st) < 0 || access(path, X_OK) < 0) {
        error_set(err, errno, "%s", path);
        return error_advise(err, "install it beside `sallyport`");
    }
    if (st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return 0;
    error_set(err, 0, "%s: others than root may write it, and an engine would execute it as root", path);
    return error_advise(err, "install it with owner root and mode 0755");
}

/* The programs that were built and installed with this one stand beside it. */
static int find_program(const char *name, char ret_path[PATH_MAX], struct error *err)
{
    int result = program_path(name, ret_path, err);

    if (result < 0)
        return result;
    if (strpbrk(ret_path, "\"\\\n") != NULL)
        return error_set(err, 0, "%s: a path with such characters cannot be written into a configuration",
                         ret_path);
    return 0;
}

/* What the engine will execute, and what that will: a runtime behind sallyport-runtime. */
static int check_programs(const struct install_request *request, struct error *err)
{
    char behind[PATH_MAX];
    int result = check_program(request->runtime, err);

    if (result == 0)
        result = check_program(request->hook, err);
    return result < 0 ? result : runtime_path_find(NULL, behind, err);
}

/* Every role of the network's policy, or the one that is named. */
static int add_roles(struct install_roles *roles, const char *network, const char *role, struct error *err)
{
    struct policy policy;
    int result = policy_load(POLICY_DIRECTORY, network, &policy, err);

    if (result < 0)
        return result;
    if (role != NULL && policy_role_find(&policy, role) == NULL)
        result = error_set(err, 0, "network %s has no role `%s`", network, role);
    else if (role != NULL)
        result = install_roles_add(roles, network, role, err);
    for (size_t i = 0; role == NULL && i < policy.roles_count && result == 0; i++)
        result = install_roles_add(roles, network, policy.roles[i].name, err);
    if (role == NULL && result == 0 && policy.proxy_at == POLICY_PROXY_AT_MEMBER)
        result = install_roles_add(roles, network, POLICY_PROXY_ROLE, err);
    policy_free(&policy);
    return result;
}

/* "NETWORK.ROLE", both in the policy. */
static int parse_role(struct install_roles *roles, const char *text, struct error *err)
{
    struct install_role role = {0};
    int end = 0;

    if (text == NULL || sscanf(text, "%12[a-z0-9-].%12[a-z0-9-]%n", role.network, role.role, &end) != 2 ||
        text[end] != '\0' || !policy_name_valid(role.network) || !policy_name_valid(role.role)) {
        error_set(err, 0, "--role %s: not NETWORK.ROLE", text);
        return error_advise(err, "each is %s", POLICY_NAME_RULE);
    }
    return add_roles(roles, role.network, role.role, err);
}

static int parse_network(struct install_roles *roles, const char *text, struct error *err)
{
    if (!policy_name_valid(text))
        return error_set(err, 0, "--network %s: not a name: %s", text, POLICY_NAME_RULE);
    return add_roles(roles, text, NULL, err);
}

static const struct option OPTIONS[] = {
    {"role", required_argument, NULL, 'r'},
    {"network", required_argument, NULL, 'n'},
    {"default-runtime", no_argument, NULL, 'd'},
    {"mandatory", optional_argument, NULL, 'm'},
    {"config", required_argument, NULL, 'c'},
    {"reload", no_argument, NULL, 'l'},
    {"host", required_argument, NULL, 'H'},
    {"pidfile", required_argument, NULL, 'p'},
    {"dry-run", no_argument, NULL, 'D'},
    {"undo", no_argument, NULL, 'u'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* The words that are no roles. `mandatory` has room for one. */
static void take_option(struct install_request *request, int option)
{
    switch (option) {
    case 'd':
        request->default_runtime = true;
        break;
    case 'c':
        request->config = optarg;
        break;
    case 'l':
        request->reload = true;
        break;
    case 'H':
        request->host = optarg;
        break;
    case 'p':
        request->pid_file = optarg;
        break;
    case 'D':
        request->dry_run = true;
        break;
    default:
        request->undo = true;
        break;
    }
}

/* Parses the options. Returns 1 after --help. */
static int parse(int argc, char **argv, struct install_request *request, struct install_roles *mandatory,
                 struct error *err)
{
    int option = 0;
    int result = 0;

    while (result == 0 && (option = verb_option(argc, argv, OPTIONS)) != -1) {
        if (option == 'h')
            return fputs(USAGE, stdout), 1;
        if (option == '?')
            return VERB_USAGE;
        if (option == 'r')
            result = parse_role(&request->roles, optarg, err);
        else if (option == 'n')
            result = parse_network(&request->roles, optarg, err);
        else if (option == 'm')
            result = optarg != NULL ? parse_role(mandatory, optarg, err) : 0;
        else
            take_option(request, option);
        if (option == 'm')
            request->mandatory = &mandatory->items[0];
    }
    return result;
}

static int check(int argc, char **argv, const struct install_request *request)
{
    bool docker = argc - optind == 1 && strcmp(argv[optind], "docker") == 0;
    bool podman = argc - optind == 1 && strcmp(argv[optind], "podman") == 0;

    if (argc - optind != 1)
        return verb_usage("install", "exactly one of docker, podman and containerd is needed");
    if (!docker && (request->reload || request->host != NULL || request->pid_file != NULL))
        return verb_usage("install", "--reload, --host and --pidfile are for docker");
    if (request->host != NULL && strncmp(request->host, "unix:///", strlen("unix:///")) != 0)
        return verb_usage("install", "--host needs unix:// and an absolute path");
    if (!podman && request->mandatory != NULL)
        return verb_usage("install", "--mandatory is for podman");
    if (!docker && !podman && request->default_runtime)
        return verb_usage("install",
                          "--default-runtime is for docker and podman; Kubernetes has RuntimeClass");
    if (request->undo && (request->roles.count > 0 || request->default_runtime || request->mandatory != NULL))
        return verb_usage("install", "--undo takes out everything; it goes with no --role, --network, "
                                     "--default-runtime and --mandatory");
    if (request->undo && request->reload)
        return verb_usage("install", "--undo --reload: dockerd keeps its runtimes until it is restarted");
    if (podman && request->config != NULL)
        return verb_usage("install",
                          "--config is not for podman: its files are where all its users read them");
    if (request->config != NULL && request->config[0] != '/')
        return verb_usage("install", "--config needs an absolute path");
    return 0;
}

/* Ours go when there is no link in them. */
static void remove_directories(const char *engine)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), INSTALL_LINKS "/%s", engine);
    rmdir(path);
    rmdir(INSTALL_LINKS);
}

static void report(const struct changes *changes, bool undo)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->items[i];

        printf("%s %s\n",
               change->after == NULL    ? "removed"
               : change->before == NULL ? "made"
                                        : "changed",
               change->path);
    }
    if (changes->count == 0)
        puts(undo ? "nothing of ours is there: nothing to take out"
                  : "already as it should be: nothing changed");
}

static int run(const struct engine *engine, struct install_request *request, struct changes *changes,
               struct error *err)
{
    int result = engine->plan(request, changes, err);

    if (result < 0)
        return result;
    if (request->dry_run) {
        changes_show(changes, stdout);
        return verb_flush_output(err);
    }
    result = changes_apply(changes, err);
    if (result < 0 || request->undo)
        remove_directories(engine->name);
    if (result < 0)
        return result;
    report(changes, request->undo);
    result = verb_flush_output(err);
    if (result == 0)
        result = engine->in_force(request, err);
    return result < 0 ? result : verb_flush_output(err);
}

int verb_install(int argc, char **argv, struct error *err)
{
    static struct install_request request;
    static struct install_roles mandatory;
    static struct changes changes;
    static char runtime[PATH_MAX];
    static char hook[PATH_MAX];
    int result = parse(argc, argv, &request, &mandatory, err);

    if (result != 0)
        return result < 0 ? result : verb_flush_output(err);
    result = check(argc, argv, &request);
    if (result == 0)
        result = find_program("sallyport-runtime", runtime, err);
    if (result == 0)
        result = find_program("sallyport-hook", hook, err);
    if (result < 0)
        return result;
    request.runtime = runtime;
    request.hook = hook;
    result = request.undo ? 0 : check_programs(&request, err);
    if (result < 0)
        return result;
    for (size_t i = 0; i < array_size(ENGINES); i++) {
        if (strcmp(argv[optind], ENGINES[i].name) != 0)
            continue;
        result = run(&ENGINES[i], &request, &changes, err);
        changes_free(&changes);
        return result;
    }
    return verb_usage("install", "`%s` is not an engine; it is one of docker, podman and containerd",
                      argv[optind]);
}
