/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes as the name of the program and its arguments, separated by NUL bytes. What is accepted
 * has to keep the invariants that nobody checks again. */
#include "hook/command_line.h"
#include "require.h"

#include <string.h>

enum {
    ARGUMENTS_MAX = 64,
};

static bool is_one_of(const char *value, char *const *arguments, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (value == arguments[i])
            return true;
    return false;
}

static void check_pin(const char *name)
{
    require(name == NULL || policy_name_valid(name));
}

static void check_id(const struct command_line *line, size_t count)
{
    size_t length = line->verb == COMMAND_EXEC ? 0 : count - 1;

    require(line->id != NULL && line->id[0] != '\0' && line->id[0] != '-');
    require(strpbrk(line->id, "/ \t\n") == NULL);
    require(is_one_of(line->id, line->arguments + length, count - length));
}

/* What another reading could make of the options: none is spelled in a way that runtimes differ about. */
static void check_spelling(const struct command_line *line)
{
    for (char *const *argument = line->arguments; *argument != NULL && *argument != line->id; argument++) {
        require(strncmp(*argument, "--help", strlen("--help")) != 0 || argument != line->arguments);
        require(strncmp(*argument, "--version", strlen("--version")) != 0 || argument != line->arguments);
    }
}

static void check_process(struct command_line *line, size_t count)
{
    static char replacement[] = "--process=/new";
    size_t after = 0;
    size_t length = 0;

    if (line->process_file == NULL)
        return;
    require(line->verb == COMMAND_EXEC && line->process > 0 && line->process < count);
    length = strlen(line->arguments[line->process]);
    require(line->process_file >= line->arguments[line->process] &&
            line->process_file <= line->arguments[line->process] + length);
    command_line_set_process(line, replacement);
    while (line->arguments[after] != NULL)
        after++;
    require(after == count || after == count - 1);
    require(is_one_of(replacement, line->arguments, after) && is_one_of(line->id, line->arguments, after));
}

static void check_accepted(struct command_line *line, char **argv, size_t argc)
{
    size_t count = argc - (size_t)(line->arguments - argv);

    require(line->arguments >= argv && line->arguments <= argv + argc && argv[argc] == NULL);
    require(line->runtime == NULL || line->runtime[0] == '/');
    require(line->globals_count <= count && line->capabilities_count <= count);
    for (size_t i = 0; i < line->globals_count; i++)
        require(is_one_of(line->globals[i], line->arguments, count));
    check_pin(line->pin.network);
    check_pin(line->pin.role);
    require(line->bundle == NULL || line->verb == COMMAND_CREATE || line->verb == COMMAND_RUN);
    require(line->bundle == NULL || line->bundle[0] != '\0');
    if (line->verb < COMMAND_CREATE || line->verb > COMMAND_EXEC) {
        require(line->id == NULL && line->process_file == NULL && line->capabilities_count == 0);
        return;
    }
    check_id(line, count);
    check_spelling(line);
    check_process(line, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[ARGUMENTS_MAX + 2] = {NULL};
    struct command_line line = {0};
    struct error err = {0};
    size_t argc = 0;
    char *text = malloc(size + 1);
    int result = 0;

    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    for (char *word = text; word <= text + size && argc <= ARGUMENTS_MAX; word += strlen(word) + 1)
        argv[argc++] = word;
    result = command_line_parse(argv[0], (int)argc, argv, &line, &err);
    if (result == 0)
        check_accepted(&line, argv, argc);
    else
        require(result < 0 && err.text[0] != '\0' && line.arguments == NULL && line.name == NULL);
    command_line_free(&line);
    free(text);
    return 0;
}
