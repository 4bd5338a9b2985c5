/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/exec_process.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/capabilities.h"
#include "hook/config.h"
#include "hook/document.h"
#include "hook/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

/* The same checks as for a config, by dressing it up as one. */
static int check_types(json_t *process, struct error *err)
{
    cleanup_json json_t *config = json_pack("{s:O, s:{}}", "process", process, "linux");

    if (config == NULL)
        return error_set(err, ENOMEM, "check the process");
    return config_check_types(config, err);
}

int exec_process_edit(json_t *process, const json_t *config, struct error *err)
{
    const json_t *own = json_object_get(config, "process");
    int result = check_types(process, err);

    if (result < 0)
        return result;
    capabilities_restrict(json_object_get(process, "capabilities"), json_object_get(own, "capabilities"));
    return environment_copy_proxy(process, own, err);
}

static int seal_text(const char *text, size_t length, struct error *err)
{
    /* Not close-on-exec: the runtime is to read it. It closes it before it starts anything. */
    cleanup_close int file = memfd_create("sallyport-process", MFD_ALLOW_SEALING); /* NOLINT(android-*) */
    int result = file < 0 ? -errno : file_write_all(file, text, length);

    if (result == 0 && fcntl(file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        result = -errno;
    return result < 0 ? error_set(err, -result, "keep the edited process in memory") : take_fd(&file);
}

int exec_process_open(const char *path, const json_t *config, struct error *err)
{
    cleanup_free char *text = NULL;
    cleanup_free char *edited = NULL;
    cleanup_json json_t *process = NULL;
    size_t length = 0;
    int result = file_read_at(AT_FDCWD, path, CONFIG_SIZE_MAX, &text, &length, err);

    if (result == 0)
        result = document_parse(text, length, path, &process, err);
    if (result == 0)
        result = exec_process_edit(process, config, err);
    if (result == 0)
        result = document_dump(process, &edited, &length, err);
    return result < 0 ? result : seal_text(edited, length, err);
}

int exec_process_check_capabilities(const char *const *names, size_t count, const json_t *config,
                                    struct error *err)
{
    const json_t *own = json_object_get(json_object_get(config, "process"), "capabilities");

    for (size_t i = 0; i < count; i++) {
        cleanup_json json_t *wanted = json_pack("{s:[s]}", "bounding", names[i]);

        capabilities_restrict(wanted, own);
        if (json_array_size(json_object_get(wanted, "bounding")) == 1)
            continue;
        error_set(err, 0, "--cap %s: the container itself does not have that capability", names[i]);
        return error_advise(err, "drop it; a process that joins a container gets no more than the container");
    }
    return 0;
}
