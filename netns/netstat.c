/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/netstat.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What follows "GROUP:" of the next line that begins so, NULL if there is none. */
static const char *find_line(const char *text, const char *group)
{
    size_t length = strlen(group);

    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, group, length) == 0 && line[length] == ':')
            return line + length + 1;
    }
    return NULL;
}

/* The word at *at, which is moved behind it. Returns its length, 0 at the end of the line. */
static size_t next_word(const char **at, const char **ret_word)
{
    size_t length = 0;

    *at += strspn(*at, " ");
    length = strcspn(*at, " \n");
    *ret_word = *at;
    *at += length;
    return length;
}

static bool read_number(const char *word, size_t length, uint64_t *ret)
{
    unsigned long long number = 0;
    char *end = NULL;

    if (*word < '0' || *word > '9')
        return false;
    errno = 0;
    number = strtoull(word, &end, 10);
    if (errno != 0 || end != word + length)
        return false;
    *ret = number;
    return true;
}

bool netstat_find(const char *text, const char *group, const char *counter, uint64_t *ret)
{
    const char *names = find_line(text, group);
    const char *values = names == NULL ? NULL : find_line(names, group);

    while (values != NULL) {
        const char *name = NULL;
        const char *value = NULL;
        size_t name_length = next_word(&names, &name);
        size_t value_length = next_word(&values, &value);

        if (name_length == 0 || value_length == 0)
            return false;
        if (name_length == strlen(counter) && strncmp(name, counter, name_length) == 0)
            return read_number(value, value_length, ret);
    }
    return false;
}
