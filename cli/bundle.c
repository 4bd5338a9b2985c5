/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport bundle: edits the config.json of a plain OCI bundle, for runc and crun without an engine. */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/verb.h"
#include "hook/config.h"
#include "hook/document.h"
#include "hook/edit.h"
#include "hook/refuse.h"
#include "hook/selection.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>

static const char USAGE[] =
    "Usage: sallyport bundle [--network NETWORK] [--role ROLE] DIR\n"
    "\n"
    "Edits DIR/config.json so that `runc run` or `crun run` starts the container sealed: the hooks, the\n"
    "seccomp profile composed with Sallyport's, NET_RAW and NET_ADMIN removed, the proxy's environment,\n"
    "and a hosts and resolv.conf of its own. Running it twice changes nothing.\n"
    "\n"
    "  --network NETWORK  pin the network (default: annotation io.sallyport.network, then `default`)\n"
    "  --role ROLE        pin the role (default: annotation io.sallyport.role, then `agent`)\n";

/* The hook that was built and installed with this program stands beside it. */
static int find_hook(char *ret_path, size_t size, struct error *err)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash = NULL;

    if (length < 0)
        return error_set(err, errno, "find the path of this program");
    self[length] = '\0';
    slash = strrchr(self, '/');
    *slash = '\0';
    if ((size_t)snprintf(ret_path, size, "%s/sallyport-hook", self) >= size)
        return error_set(err, ENAMETOOLONG, "find sallyport-hook");
    if (access(ret_path, X_OK) < 0) {
        error_set(err, errno, "%s", ret_path);
        return error_advise(err, "install it beside `sallyport`");
    }
    return 0;
}

static int edit(json_t *config, int bundle, const char *path, const struct selection *pin, struct error *err)
{
    char hook[PATH_MAX];
    struct selection selection;
    struct policy policy;
    struct edit_request request = {
        .policy = &policy, .pin = pin, .hook = hook, .directory = bundle, .directory_path = path};
    int result = find_hook(hook, sizeof(hook), err);

    if (result == 0)
        result = selection_choose(pin, json_object_get(config, "annotations"), &selection, err);
    if (result < 0)
        return result;
    log_context(selection.network, selection.role, NULL);
    result = selection_load(pin, &selection, &policy, &request.role, err);
    if (result < 0)
        return result;
    result = refuse_config(config, bundle, request.role, err);
    if (result == 0)
        result = edit_config(config, &request, err);
    policy_free(&policy);
    return result;
}

static int edit_bundle(const char *directory, const struct selection *pin, struct error *err)
{
    cleanup_free char *path = realpath(directory, NULL);
    cleanup_free char *text = NULL;
    cleanup_close int bundle = -1;
    cleanup_json json_t *config = NULL;
    cleanup_json json_t *before = NULL;
    size_t length = 0;
    int result = 0;

    if (path == NULL)
        return error_set(err, errno, "open bundle %s", directory);
    result = config_load(path, &bundle, &config, err);
    if (result < 0)
        return result;
    before = json_deep_copy(config);
    result = edit(config, bundle, path, pin, err);
    if (result < 0)
        return result;
    if (before != NULL && json_equal(before, config))
        return 0;
    result = document_dump(config, &text, &length, err);
    return result < 0 ? result : file_replace_at(bundle, CONFIG_NAME, text, length, 0600, err);
}

int verb_bundle(int argc, char **argv, struct error *err)
{
    static const struct option options[] = {
        {"network", required_argument, NULL, 'n'},
        {"role", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct selection pin = {NULL, NULL};
    int option = 0;
    int result = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h')
            return fputs(USAGE, stdout), 0;
        if (option == '?')
            return VERB_USAGE;
        *(option == 'n' ? &pin.network : &pin.role) = optarg;
    }
    if (argc - optind != 1)
        return verb_usage("bundle", "exactly one bundle directory is needed");
    result = selection_check_pin(&pin, err);
    return result < 0 ? result : edit_bundle(argv[optind], &pin, err);
}
