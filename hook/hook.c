/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport-hook: the OCI hook. What stands on standard input says what to do: a container's config is edited
 * and printed (precreate), a state is attached (createRuntime, prestart) or, with status `stopped`, cleaned
 * up after (poststop). Every failure is one line and exit status 1: the container does not start. */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rootless.h"
#include "hook/attach.h"
#include "hook/caller_stderr.h"
#include "hook/config.h"
#include "hook/document.h"
#include "hook/edit.h"
#include "hook/late_network.h"
#include "hook/privileges.h"
#include "hook/refuse.h"
#include "hook/selection.h"
#include "hook/state.h"
#include "hook/voucher.h"
#include "netns/hub.h"
#include "netns/member.h"
#include "netns/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

static const char USAGE[] =
    "Usage: sallyport-hook [--network NETWORK] [--role ROLE]\n"
    "\n"
    "An OCI hook for the stages createRuntime (or prestart), poststop and Podman's precreate.\n"
    "It reads a container's state, or its config, on standard input and seals the container's network.\n"
    "\n"
    "  --network NETWORK  the network, whatever the container's annotation io.sallyport.network says\n"
    "  --role ROLE        the role, whatever the container's annotation io.sallyport.role says\n"
    "  --help             show this text\n"
    "  --version          show the version\n";

static int run_attach(const struct selection *pin, const struct state *state, struct error *err)
{
    cleanup_close int bundle = -1;
    static json_t *config; /* for as long as the process, see run */
    struct policy policy;
    struct attach_request request = {.state = state, .policy = &policy};
    int result = voucher_load(state->bundle, &bundle, &config, err);

    if (result == 0)
        result = selection_resolve(pin, json_object_get(config, "annotations"), &policy, &request.role, err);
    if (result < 0)
        return result;
    request.config = config;
    request.bundle = bundle;
    result = attach(&request, err);
    policy_free(&policy);
    return result;
}

/* By the config's annotations, as when it was attached, unless all is pinned. The bundle may be gone by now:
 * then by the state's. */
static int choose_again(const struct selection *pin, const struct state *state, json_t **config,
                        struct selection *ret, struct error *err)
{
    cleanup_close int bundle = -1;
    const json_t *annotations = state->annotations;
    int result = 0;

    if (pin->network == NULL || pin->role == NULL)
        result = voucher_load(state->bundle, &bundle, config, err);
    if (*config != NULL)
        annotations = json_object_get(*config, "annotations");
    return result == 0 || result == -ENOENT ? selection_choose(pin, annotations, ret, err) : result;
}

static int run_detach(const struct selection *pin, const struct state *state, struct error *err)
{
    struct selection selection;
    cleanup_json json_t *config = NULL; /* what the selection points into */
    cleanup_close int hub = -1;
    int result = choose_again(pin, state, &config, &selection, err);

    if (result != 0)
        return result;
    log_context(selection.network, selection.role, NULL);
    result = privileges_keep_for_inspection(err);
    if (result == 0)
        result = namespace_leave_host(err);
    if (result < 0)
        return result;
    hub = hub_open(selection.network, err);
    if (hub == -ENOENT)
        return 0; /* the network was taken down first: its links went with it */
    if (hub < 0)
        return hub;
    result = member_detach(hub, state->id, err);
    if (result > 0)
        member_tidy(hub);
    return result < 0 ? result : 0;
}

/* Podman's precreate: the config goes on, edited. The bundle is not known here and has no part in it. */
static int run_edit(const struct selection *pin, json_t *config, struct error *err)
{
    cleanup_free char *text = NULL;
    cleanup_close int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct policy policy;
    struct edit_request request = {.policy = &policy, .pin = pin, .directory = -1};
    size_t length = 0;
    int result = config_check_types(config, err);

    if (result == 0)
        result = selection_resolve(pin, json_object_get(config, "annotations"), &policy, &request.role, err);
    if (result < 0)
        return result;
    result = refuse_config(config, root, request.role, err);
    if (result == 0)
        result = refuse_late_network(config, err);
    if (result == 0)
        result = edit_config(config, &request, err);
    if (result == 0)
        result = document_dump(config, &text, &length, err);
    policy_free(&policy);
    if (result < 0)
        return result;
    result = file_write_all(STDOUT_FILENO, text, length);
    return result < 0 ? error_set(err, -result, "write the edited config") : 0;
}

static int run(const struct selection *pin, struct error *err)
{
    /* The process ends when this returns: the kernel takes back what is here in one piece, free a thousand
     * pieces one by one. */
    static char *text;
    static json_t *document;
    struct state state;
    size_t length = 0;
    int result = selection_check_pin(pin, err);

    if (result == 0)
        result = file_read_fd(STDIN_FILENO, "standard input", CONFIG_SIZE_MAX, &text, &length, err);
    if (result == 0)
        result = document_parse(text, length, "standard input", &document, err);
    if (result < 0)
        return result;
    /* Not by `root`: crun's states have one too. */
    if (json_object_get(document, "process") != NULL && json_object_get(document, "status") == NULL)
        return run_edit(pin, document, err);
    if (length > STATE_SIZE_MAX)
        return error_set(err, EFBIG, "read state: more than %d bytes", STATE_SIZE_MAX);
    result = state_read(document, &state, err);
    if (result < 0)
        return result;
    log_context(pin->network, pin->role, state.id);
    return state.stage == STATE_STOPPED ? run_detach(pin, &state, err) : run_attach(pin, &state, err);
}

/* A wrong option is a wrong hooks.d file: said like everything else, to syslog as well. Returns a negative
 * errno value, 0 to go on, or 1 if the program has done what was asked. */
static int parse_options(int argc, char **argv, struct selection *pin, struct error *err)
{
    static const struct option options[] = {
        {"network", required_argument, NULL, 'n'},
        {"role", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int option = 0;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (option == 'h' || option == 'v') {
            fputs(option == 'h' ? USAGE : "sallyport-hook " SALLYPORT_VERSION "\n", stdout);
            return 1;
        }
        if (option == '?')
            break;
        *(option == 'n' ? &pin->network : &pin->role) = optarg;
    }
    if (option == -1 && optind == argc)
        return 0;
    error_set(err, 0, "unexpected argument `%s` of the hook", argv[option == -1 ? optind : optind - 1]);
    return error_advise(err, "see sallyport-hook --help");
}

/* jansson would open /dev/urandom for the seed of its hash tables. */
static void seed_json(void)
{
    size_t seed = 0;

    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed) && seed != 0)
        json_object_seed(seed);
}

int main(int argc, char **argv)
{
    struct selection pin = {NULL, NULL};
    struct error err = {0};
    int result = 0;

    rootless_config_home(); /* counts only without root */
    clearenv(); /* nothing else of it is asked for here, and the C library would read the file that TZ names
                 */
    caller_stderr_adopt();
    umask(022);
    seed_json();
    result = parse_options(argc, argv, &pin, &err);
    if (result == 0)
        result = run(&pin, &err);
    if (result < 0)
        log_error(&err);
    return result < 0 ? 1 : 0;
}
