/* SPDX-License-Identifier: Apache-2.0
 *
 * command-line-take [ARGUMENT...]: prints what sallyport-runtime takes from the command line, "VERB ID BUNDLE
 * PROCESS" with `-` for what is not there, or says why it refuses it and fails. For
 * tests/engines/command_line.bats, which compares it with what runc and crun take. */
#include "hook/command_line.h"

#include <stdio.h>

static const char *known(const char *value)
{
    return value != NULL ? value : "-";
}

int main(int argc, char **argv)
{
    static const char *const VERBS[] = {"other", "create",  "run",  "start",
                                        "exec",  "restore", "help", "version"};
    struct command_line line = {0};
    struct error err = {0};

    if (command_line_parse(COMMAND_LINE_PROGRAM, argc, argv, &line, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("%s %s %s %s\n", VERBS[line.verb], known(line.id), known(line.bundle), known(line.process_file));
    command_line_free(&line);
    return 0;
}
