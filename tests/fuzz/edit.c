/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes as a container's config.json. Editing is refused with a reason, or what comes out has
 * no network capability in any set, can be read again, has every key that it had, and does not change any
 * more when it is edited again. Its profile can be taken out of the text and put back (hook/voucher.h). */
#include "hook/edit.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "hook/capabilities.h"
#include "hook/config.h"
#include "hook/voucher.h"
#include "json.h"
#include "policy/policy.h"
#include "require.h"
#include "seccomp/seccomp.h"

#include <fcntl.h>
#include <string.h>

static const char POLICY[] =
    "{\"version\":1,\"subnet\":\"10.209.0.0/24\","
    "\"proxy\":{\"address\":\"10.209.0.2\",\"port\":3128,\"at\":\"host\"},\"roles\":{"
    "\"agent\":{\"addresses\":\"10.209.0.64/26\",\"reach\":[\"proxy\",\"gateway:8642\"]},"
    "\"gateway\":{\"addresses\":\"10.209.0.3\",\"reach\":[\"proxy\"]}}}";

static struct policy policy;
static char directory[] = "/dev/shm/sallyport-fuzz-XXXXXX"; /* for the container's hosts and resolv.conf */
static int directory_fd = -1;

static void remove_directory(void)
{
    DIR *list = fdopendir(directory_fd);
    const struct dirent *entry = NULL;

    while (list != NULL && (entry = readdir(list)) != NULL)
        unlinkat(directory_fd, entry->d_name, 0);
    if (list != NULL)
        closedir(list);
    rmdir(directory);
}

static void prepare(void)
{
    struct error err = {.number = 0};

    if (directory_fd >= 0)
        return;
    require(policy_parse(POLICY, strlen(POLICY), "FILE", "hermes", &policy, &err) == 0);
    require(mkdtemp(directory) != NULL);
    directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(directory_fd >= 0);
    atexit(remove_directory);
}

static int edit(json_t *config)
{
    const struct selection pin = {.network = "hermes", .role = "agent"};
    const struct edit_request request = {.policy = &policy,
                                         .role = policy_role_find(&policy, "agent"),
                                         .pin = &pin,
                                         .hook = "/usr/bin/sallyport-hook",
                                         .directory = directory_fd,
                                         .directory_path = directory};
    struct error err = {.number = 0};
    int result = edit_config(config, &request, &err);

    require(result == 0 || err.text[0] != '\0');
    return result;
}

static void check(const json_t *before, const json_t *after)
{
    static const char *const root[] = {"process", "linux", "mounts", "hooks", NULL};
    static const char *const process[] = {"capabilities", "env", NULL};
    static const char *const os[] = {"seccomp", "resources", "rootfsPropagation", NULL};
    const json_t *capabilities = json_object_get(json_object_get(after, "process"), "capabilities");
    const struct seccomp_options options = {.nested = false};

    require(fuzz_survives_printing(after));
    require(fuzz_keeps_keys(before, after, root));
    require(fuzz_keeps_keys(json_object_get(before, "process"), json_object_get(after, "process"), process));
    require(fuzz_keeps_keys(json_object_get(before, "linux"), json_object_get(after, "linux"), os));
    require(!capabilities_have_net_admin(capabilities));
    require(seccomp_implies(json_object_get(json_object_get(after, "linux"), "seccomp"), &options));
    require(edit_own_hook(after) != NULL);
}

/* Where the profile is found in the text, the text without it and what was found are the whole. */
static void check_profile_in(const char *text, size_t size)
{
    cleanup_json json_t *whole = NULL;
    cleanup_json json_t *rest = NULL;
    cleanup_json json_t *profile = NULL;
    cleanup_free char *without = NULL;
    size_t start = 0;
    size_t length = 0;

    if (!voucher_find_profile(text, size, &start, &length))
        return;
    require(start + length <= size && text[start] == '{');
    without = malloc(size + strlen("null"));
    require(without != NULL);
    memcpy(mempcpy(mempcpy(without, text, start), "null", strlen("null")), text + start + length,
           size - start - length);
    rest = fuzz_parse(without, size - length + strlen("null"));
    profile = fuzz_parse(text + start, length);
    if (rest == NULL || profile == NULL)
        return;
    whole = fuzz_parse(text, size);
    require(json_object_set(json_object_get(rest, "linux"), "seccomp", profile) == 0);
    require(json_equal(whole, rest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_json json_t *config = fuzz_parse(data, size);
    cleanup_json json_t *before = NULL;
    cleanup_json json_t *once = NULL;
    struct error err = {.number = 0};

    prepare();
    check_profile_in((const char *)data, size);
    if (config == NULL || config_check_types(config, &err) < 0)
        return 0;
    before = json_deep_copy(config);
    if (edit(config) < 0)
        return 0;
    check(before, config);
    once = json_deep_copy(config);
    require(edit(config) == 0);
    require(json_equal(once, config));
    return 0;
}
