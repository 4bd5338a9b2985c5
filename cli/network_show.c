/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/network_show.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "cli/container_names.h"
#include "cli/network_print.h"
#include "cli/network_view.h"
#include "cli/verb.h"
#include "netns/namespace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_json(json_t *document, struct error *err)
{
    if (document == NULL)
        return error_set(err, ENOMEM, "make the JSON document");
    json_dumpf(document, stdout, JSON_INDENT(2));
    putchar('\n');
    return verb_flush_output(err);
}

static int print(const struct network_view *view, enum network_format format, struct error *err)
{
    cleanup_json json_t *document = NULL;

    if (format == NETWORK_JSON) {
        document = network_json(view);
        return print_json(document, err);
    }
    if (format == NETWORK_DOT && !view->has_policy)
        return error_set(err, 0, "%s", view->findings.list[0].text); /* the policy's is the first */
    if (format == NETWORK_DOT)
        network_print_dot(view, stdout);
    else
        network_print_text(view, stdout);
    return verb_flush_output(err);
}

/* Engines are only asked where somebody can have a name. */
static void name_members(struct network_view *view)
{
    cleanup_container_names struct container_names names = {.list = NULL};
    bool asked = false;

    for (size_t i = 0; i < view->count; i++) {
        const char *name = NULL;

        if (!container_names_id(view->members[i].id))
            continue;
        if (!asked)
            container_names_read(&names);
        asked = true;
        name = container_names_find(&names, view->members[i].id);
        snprintf(view->more[i].name, sizeof(view->more[i].name), "%s", name != NULL ? name : "");
    }
}

int network_show(const char *network, enum network_format format, struct error *err)
{
    cleanup_network_view struct network_view view = {.up = false};
    cleanup_close int own = namespace_open_own(err);
    int result = own < 0 ? own : verb_check_network(network, err);

    if (result == 0)
        result = network_view_read(network, own, &view, err);
    if (result < 0)
        return result;
    if (!view.up) {
        error_set(err, 0, "the network is not up");
        return error_advise(
            err, "run `sallyport network up %s`, or `sallyport network list` to see which are", network);
    }
    if (format != NETWORK_DOT)
        name_members(&view);
    return print(&view, format, err);
}

/* Names of networks, each once. */
struct names {
    char (*list)[POLICY_NAME_SIZE];
    size_t count;
};

static int add_name(const char *network, void *data)
{
    struct names *names = data;
    void *grown = NULL;

    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->list[i], network) == 0)
            return 0;
    grown = reallocarray(names->list, names->count + 1, sizeof(*names->list));
    if (grown == NULL)
        return -ENOMEM;
    names->list = grown;
    snprintf(names->list[names->count++], POLICY_NAME_SIZE, "%.12s", network);
    return 0;
}

static int add_file(const char *file, struct names *names)
{
    const char *end = strrchr(file, '.');
    char network[POLICY_NAME_SIZE];

    if (end == NULL || strcmp(end, ".json") != 0 || end - file >= POLICY_NAME_SIZE)
        return 0;
    snprintf(network, sizeof(network), "%.*s", (int)(end - file), file);
    return policy_name_valid(network) ? add_name(network, names) : 0;
}

/* No directory: no policy files. */
static int add_files(struct names *names, struct error *err)
{
    const char *path = policy_directory();
    cleanup_directory DIR *directory = path != NULL ? opendir(path) : NULL;
    const struct dirent *entry = NULL;
    int result = 0;

    if (directory == NULL)
        return path == NULL || errno == ENOENT ? 0 : error_set(err, errno, "open %s", path);
    errno = 0;
    while (result == 0 && (entry = readdir(directory)) != NULL)
        result = add_file(entry->d_name, names);
    return result < 0   ? error_set(err, -result, "list policy files")
           : errno != 0 ? error_set(err, errno, "read %s", path)
                        : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int read_views(const struct names *names, struct network_view *views, struct error *err)
{
    cleanup_close int own = namespace_open_own(err);
    int result = own < 0 ? own : 0;

    for (size_t i = 0; i < names->count && result == 0; i++)
        result = network_view_read(names->list[i], own, &views[i], err);
    return result;
}

static int print_list(const struct network_view *views, size_t count, enum network_format format,
                      struct error *err)
{
    cleanup_json json_t *document = json_array();

    if (format == NETWORK_JSON) {
        for (size_t i = 0; i < count; i++)
            if (json_array_append_new(document, network_json_summary(&views[i])) < 0)
                return error_set(err, ENOMEM, "make the JSON document");
        return print_json(document, err);
    }
    if (count > 0)
        network_print_list_heading(stdout);
    for (size_t i = 0; i < count; i++)
        network_print_list_line(&views[i], stdout);
    for (size_t i = 0; i < count; i++)
        network_print_findings(&views[i].findings, views[i].network, stdout);
    return verb_flush_output(err);
}

static int list_names(const struct names *names, enum network_format format, struct error *err)
{
    struct network_view *views = calloc(names->count + 1, sizeof(*views));
    int result = 0;

    if (views == NULL)
        return error_set(err, ENOMEM, "list networks");
    result = read_views(names, views, err);
    if (result == 0)
        result = print_list(views, names->count, format, err);
    for (size_t i = 0; i < names->count; i++)
        network_view_free(&views[i]);
    free(views);
    return result;
}

int network_list(enum network_format format, struct error *err)
{
    struct names names = {.list = NULL};
    int result = hub_list(add_name, &names, err);

    if (result == -ENOMEM)
        error_set(err, ENOMEM, "list networks");
    if (result == 0)
        result = add_files(&names, err);
    if (result == 0 && names.count > 0)
        qsort(names.list, names.count, sizeof(*names.list), by_name);
    if (result == 0)
        result = list_names(&names, format, err);
    free(names.list);
    return result;
}
