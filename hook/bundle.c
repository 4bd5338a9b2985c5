/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/bundle.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/program.h"
#include "hook/config.h"
#include "hook/document.h"
#include "hook/edit.h"
#include "hook/refuse.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* The hook that was built and installed with this program stands beside it. */
static int find_hook(char ret_path[PATH_MAX], struct error *err)
{
    int result = program_path("sallyport-hook", ret_path, err);

    if (result < 0)
        return result;
    if (access(ret_path, X_OK) < 0) {
        error_set(err, errno, "%s", ret_path);
        return error_advise(err, "install it beside this program");
    }
    return 0;
}

static int edit(json_t *config, int bundle, const char *path, const struct selection *pin, struct error *err)
{
    char hook[PATH_MAX];
    struct edit_pin pinned;
    struct policy policy;
    struct edit_request request = {.policy = &policy,
                                   .pin = &pinned.selection,
                                   .hook = hook,
                                   .directory = bundle,
                                   .directory_path = path};
    int result = find_hook(hook, err);

    if (result == 0)
        result = edit_find_pin(config, pin, &pinned, err);
    if (result == 0)
        result = selection_resolve(request.pin, json_object_get(config, "annotations"), &policy,
                                   &request.role, err);
    if (result < 0)
        return result;
    result = refuse_config(config, bundle, request.role, err);
    if (result == 0)
        result = edit_config(config, &request, err);
    policy_free(&policy);
    return result;
}

int bundle_edit(const char *directory, const struct selection *pin, struct error *err)
{
    cleanup_free char *path = realpath(directory, NULL);
    cleanup_free char *text = NULL;
    cleanup_close int bundle = -1;
    cleanup_json json_t *config = NULL;
    size_t length = 0;
    int result = 0;

    if (path == NULL)
        return error_set(err, errno, "open bundle %s", directory);
    result = config_load(path, &bundle, &config, err);
    if (result < 0)
        return result;
    result = edit(config, bundle, path, pin, err);
    if (result == 0)
        result = document_dump(config, &text, &length, err);
    return result < 0 ? result : file_replace_at(bundle, CONFIG_NAME, text, length, 0600, err);
}
