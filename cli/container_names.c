/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/container_names.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/engine_docker.h"
#include "cli/install_toml.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_MAX = 16 * 1024 * 1024, /* bytes; an entry has about one thousand */
    DOCKER_MS = 1000,
};

static const char STORAGE_CONF[] = "/etc/containers/storage.conf";
static const char STORAGE_ROOT[] = "/var/lib/containers/storage";

void container_names_free_at(struct container_names *names)
{
    free(names->list);
}

bool container_names_id(const char *id)
{
    return strlen(id) == CONTAINER_ID_LENGTH && strspn(id, "0123456789abcdef") == CONTAINER_ID_LENGTH;
}

static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t length = strlen(name);

    return length > 0 && length < CONTAINER_NAME_SIZE && strspn(name, allowed) == length;
}

static void append(struct container_names *names, const char *id, const char *name)
{
    struct container_name *grown = reallocarray(names->list, names->count + 1, sizeof(*grown));

    if (grown == NULL)
        return;
    names->list = grown;
    memcpy(grown[names->count].id, id, CONTAINER_ID_LENGTH + 1);
    memcpy(grown[names->count].name, name, strlen(name) + 1);
    names->count++;
}

static int by_id(const void *a, const void *b)
{
    const struct container_name *first = a;
    const struct container_name *second = b;

    return strcmp(first->id, second->id);
}

/* Docker writes "/name", and "/other/alias" for its old links. */
static const char *first_name(const json_t *list)
{
    const json_t *entry = NULL;
    size_t i = 0;

    json_array_foreach(list, i, entry)
    {
        const char *name = json_string_value(entry);

        if (name != NULL && name[0] == '/')
            name++;
        if (name != NULL && is_name(name))
            return name;
    }
    return NULL;
}

/* Labels are an image's own words. A key with U+0000 in it is valid JSON which jansson refuses, and with it
 * the names of all containers. */
static void replace_zeros(char *text, size_t length)
{
    static const char zero[] = "\\u0000";
    static const char other[] = "\\ufffd";

    for (size_t i = 0; i + strlen(zero) <= length; i++) {
        if (text[i] != '\\')
            continue;
        if (memcmp(text + i, zero, strlen(zero)) == 0)
            memcpy(text + i, other, strlen(other));
        i++; /* of two backslashes, the second escapes nothing */
    }
}

/* Duplicate keys are no reason to know no names: replaced, two labels may be one. */
void container_names_parse(char *text, size_t length, const char *id_key, const char *names_key,
                           struct container_names *names)
{
    cleanup_json json_t *list = NULL;
    const json_t *entry = NULL;
    size_t i = 0;

    replace_zeros(text, length);
    list = json_loadb(text, length, 0, NULL);
    json_array_foreach(list, i, entry)
    {
        const char *id = json_string_value(json_object_get(entry, id_key));
        const char *name = first_name(json_object_get(entry, names_key));

        if (i == CONTAINER_NAMES_MAX)
            break;
        if (id != NULL && name != NULL && container_names_id(id))
            append(names, id, name);
    }
    if (names->count > 0)
        qsort(names->list, names->count, sizeof(*names->list), by_id);
}

static void ask_docker(struct container_names *names)
{
    struct engine_docker docker;
    struct error unimportant;
    cleanup_free char *answer = NULL;
    size_t length = 0;

    if (engine_docker_find(NULL, &docker, &unimportant) < 0 || docker.pidfd < 0)
        return;
    if (engine_docker_get(docker.socket, "/containers/json", DOCKER_MS, &answer, &length, &unimportant) == 0)
        container_names_parse(answer, length, "Id", "Names", names);
    engine_docker_close(&docker);
}

/* Where containers/storage keeps them: the administrator may have said so. */
static void find_storage(char root[PATH_MAX])
{
    struct error unimportant;
    cleanup_free char *text = NULL;
    cleanup_json json_t *config = NULL;
    const char *configured = NULL;
    size_t length = 0;

    snprintf(root, PATH_MAX, "%s", STORAGE_ROOT);
    if (file_read_at(AT_FDCWD, STORAGE_CONF, FILE_MAX, &text, &length, &unimportant) < 0 ||
        toml_parse(text, length, STORAGE_CONF, &config, &unimportant) < 0)
        return;
    configured = json_string_value(json_object_get(json_object_get(config, "storage"), "graphroot"));
    if (configured != NULL && configured[0] == '/')
        snprintf(root, PATH_MAX, "%s", configured);
}

static void read_storage(struct container_names *names)
{
    static const char *const files[] = {
        "overlay-containers/containers.json", "overlay-containers/volatile-containers.json",
        "vfs-containers/containers.json",     "vfs-containers/volatile-containers.json",
        "btrfs-containers/containers.json",   "btrfs-containers/volatile-containers.json",
    };
    char root[PATH_MAX];

    find_storage(root);
    for (size_t i = 0; i < array_size(files); i++) {
        struct error unimportant;
        cleanup_free char *text = NULL;
        char path[PATH_MAX + 64];
        size_t length = 0;

        snprintf(path, sizeof(path), "%s/%s", root, files[i]);
        if (file_read_at(AT_FDCWD, path, FILE_MAX, &text, &length, &unimportant) == 0)
            container_names_parse(text, length, "id", "names", names);
    }
}

void container_names_read(struct container_names *names)
{
    ask_docker(names);
    read_storage(names);
}

static int is_of(const void *id, const void *name)
{
    return strcmp(id, ((const struct container_name *)name)->id);
}

const char *container_names_find(const struct container_names *names, const char *id)
{
    const struct container_name *found = NULL;

    if (names->count > 0)
        found = bsearch(id, names->list, names->count, sizeof(*found), is_of);
    return found != NULL ? found->name : NULL;
}
