/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/runtime_record.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "hook/config.h"
#include "hook/document.h"
#include "hook/process.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define RECORD "state.json"
#define WAITS "exec.fifo"
#define BUNDLE_LABEL "bundle="

static int open_directory(const char *root, const char *id)
{
    cleanup_close int above = -1;

    if (strchr(id, '/') != NULL || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
        return -1;
    above = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return above < 0 ? -1 : openat(above, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Whether nobody but us has a say in what the directory holds, and the container in it waits. */
static bool is_ours_and_waits(int directory)
{
    struct stat st;

    if (fstat(directory, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return false;
    return fstatat(directory, WAITS, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISFIFO(st.st_mode);
}

/* runc keeps what the config does not have a place for in labels: "bundle=PATH", and "NAME=VALUE" of every
 * annotation. Of two of that name nobody but runc knows which one it believes. */
static const char *find_bundle(const json_t *record)
{
    const json_t *labels = json_object_get(json_object_get(record, "config"), "labels");
    const char *bundle = NULL;

    for (size_t i = 0; i < json_array_size(labels); i++) {
        const char *label = json_string_value(json_array_get(labels, i));

        if (label == NULL || strncmp(label, BUNDLE_LABEL, strlen(BUNDLE_LABEL)) != 0)
            continue;
        if (bundle != NULL)
            return NULL;
        bundle = label + strlen(BUNDLE_LABEL);
    }
    return bundle != NULL && bundle[0] == '/' ? bundle : NULL;
}

bool runtime_record_parse(const char *text, size_t length, const char *id, json_t **ret, uint64_t *ret_start)
{
    cleanup_json json_t *record = NULL;
    struct error ignored;
    const char *own = NULL;
    const char *bundle = NULL;
    json_int_t pid = 0;
    json_int_t start = 0;

    if (document_parse(text, length, RECORD, &record, &ignored) < 0)
        return false;
    own = json_string_value(json_object_get(record, "id"));
    pid = json_integer_value(json_object_get(record, "init_process_pid"));
    start = json_integer_value(json_object_get(record, "init_process_start"));
    bundle = find_bundle(record);
    if (own == NULL || strcmp(own, id) != 0 || pid <= 1 || pid > INT_MAX || start <= 0 || bundle == NULL)
        return false;
    *ret = json_pack("{s:s, s:s, s:I, s:s}", "id", id, "status", "created", "pid", pid, "bundle", bundle);
    *ret_start = (uint64_t)start;
    return *ret != NULL;
}

/* Whether the process is still the one that was started then: numbers are given again. */
static bool is_process(const json_t *state, uint64_t start)
{
    uint64_t now = 0;
    char pid[32];

    snprintf(pid, sizeof(pid), "%lld", (long long)json_integer_value(json_object_get(state, "pid")));
    return process_start(pid, &now) == 0 && now == start;
}

bool runtime_record_read(const char *root, const char *id, json_t **ret)
{
    cleanup_close int directory = root != NULL ? open_directory(root, id) : -1;
    cleanup_free char *text = NULL;
    cleanup_json json_t *state = NULL;
    struct error ignored;
    uint64_t start = 0;
    size_t length = 0;

    if (directory < 0 || !is_ours_and_waits(directory) ||
        file_read_at(directory, RECORD, CONFIG_SIZE_MAX, &text, &length, &ignored) < 0 ||
        !runtime_record_parse(text, length, id, &state, &start) || !is_process(state, start))
        return false;
    *ret = take_pointer(state);
    return true;
}
