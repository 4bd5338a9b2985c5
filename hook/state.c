/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/state.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

enum { ID_SIZE_MAX = 1024 };

/* The characters that runc and crun accept: the id goes into messages and names of kernel objects. */
static bool id_valid(const char *id)
{
    if (id[0] == '\0' || strlen(id) > ID_SIZE_MAX || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
        return false;
    for (; *id != '\0'; id++)
        if (!isalnum((unsigned char)*id) && strchr("_+-.", *id) == NULL)
            return false;
    return true;
}

static int refuse(struct error *err, const char *what)
{
    error_set(err, 0, "read state: %s", what);
    return error_advise(err, "standard input must be the state that an OCI runtime gives its hooks");
}

static int read_stage(const json_t *document, enum state_stage *ret, struct error *err)
{
    const char *status = json_string_value(json_object_get(document, "status"));

    if (status == NULL)
        return refuse(err, "`status` is missing or not a string");
    if (strcmp(status, "creating") == 0 || strcmp(status, "created") == 0)
        *ret = STATE_ATTACH;
    else if (strcmp(status, "stopped") == 0)
        *ret = STATE_STOPPED;
    else {
        error_set(err, 0, "read state: status `%s` belongs to none of this hook's stages", status);
        return error_advise(err, "configure it as createRuntime (or prestart) and poststop only");
    }
    return 0;
}

static int read_pid(const json_t *document, pid_t *ret, struct error *err)
{
    const json_t *pid = json_object_get(document, "pid");

    if (!json_is_integer(pid))
        return refuse(err, "`pid` is missing or not an integer");
    if (json_integer_value(pid) <= 1 || json_integer_value(pid) > INT_MAX)
        return refuse(err, "`pid` cannot be a container's process");
    *ret = (pid_t)json_integer_value(pid);
    return 0;
}

static int read_annotations(const json_t *document, const json_t **ret, struct error *err)
{
    const json_t *annotations = json_object_get(document, "annotations");

    if (annotations != NULL && !json_is_null(annotations) && !json_is_object(annotations))
        return refuse(err, "`annotations` is not an object");
    *ret = json_is_object(annotations) ? annotations : NULL;
    return 0;
}

int state_read(const json_t *document, struct state *ret, struct error *err)
{
    struct state state = {
        .id = json_string_value(json_object_get(document, "id")),
        .bundle = json_string_value(json_object_get(document, "bundle")),
    };
    int result = 0;

    if (state.id == NULL || !id_valid(state.id))
        return refuse(err, "`id` is missing or not a container id");
    if (state.bundle == NULL || state.bundle[0] != '/')
        return refuse(err, "`bundle` is missing or not an absolute path");
    result = read_stage(document, &state.stage, err);
    if (result == 0)
        result = read_annotations(document, &state.annotations, err);
    if (result == 0 && state.stage == STATE_ATTACH)
        result = read_pid(document, &state.pid, err);
    if (result == 0)
        *ret = state;
    return result;
}
