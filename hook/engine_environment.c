/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/engine_environment.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static char *nothing[] = {NULL};
static char **set_aside;

void engine_environment_set_aside(void)
{
    set_aside = environ;
    environ = nothing;
}

char **engine_environment(void)
{
    char **variables = set_aside != NULL ? set_aside : environ;

    return variables != NULL ? variables : nothing;
}

static bool is_named(const char *variable, const char *name)
{
    size_t length = strlen(name);

    return strncmp(variable, name, length) == 0 && variable[length] == '=';
}

const char *engine_environment_get(const char *name)
{
    for (char **each = engine_environment(); *each != NULL; each++)
        if (is_named(*each, name))
            return *each + strlen(name) + 1;
    return NULL;
}

void engine_environment_drop(const char *name)
{
    char **kept = engine_environment();

    for (char **each = kept; *each != NULL; each++)
        if (!is_named(*each, name))
            *kept++ = *each;
    *kept = NULL;
}
