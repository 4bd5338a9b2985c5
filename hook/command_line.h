/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of sallyport-runtime: its own options first, then what the engine says to runc or crun.
 *
 * Invariant: what is accepted here, every runtime that it may be handed to either takes the same way or
 * refuses. An option read one way here and another way there would edit one bundle and run another. So where
 * the dialects differ only the common spelling passes: `--long`, `--long=VALUE`, `--long VALUE`, `-x` and
 * `-x VALUE`, before the id. How the others are read, by the sources of urfave/cli 1 and 3 and of crun;
 * tests/engines/command_line.bats asks runc and crun themselves:
 *
 *                        runc to 1.5 (cli 1)     runc, later (cli 3)     crun (argp)
 *     -bundle DIR        --bundle                --bundle                -b undle
 *     -b=DIR             DIR                     DIR                     =DIR
 *     -bDIR, -dt         unknown                 unknown                 -b DIR, -d -t
 *     --bund DIR         unknown                 unknown                 --bundle
 *     create ID --opt    as before the id        as before the id        refused
 *     --help=false       goes on                 goes on                 refused
 *     " --bundle=DIR "   not an option           --bundle=DIR            not an option
 *     --preserve-fds 010 8                       8                       10
 */
#pragma once

#include "base/error.h"
#include "hook/selection.h"

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_LINE_PROGRAM "sallyport-runtime"

enum command_verb {
    COMMAND_OTHER, /* for the runtime alone: another verb, a verb's --help, no verb */
    COMMAND_CREATE,
    COMMAND_RUN,
    COMMAND_START,
    COMMAND_EXEC,
    COMMAND_RESTORE, /* its options are not looked at */
    COMMAND_HELP,    /* --help without a verb */
    COMMAND_VERSION, /* --version without a verb */
};

struct command_line {
    enum command_verb verb;
    struct selection pin; /* by the program's name or its own options; NULL: not pinned */
    const char *runtime;  /* --runtime: an absolute path; NULL: the default */

    char **arguments;     /* all of the engine's, globals and verb included, NULL-terminated, within argv */
    const char **globals; /* its global options but for those about logging: for another verb */
    size_t globals_count; /* elements: an option's value may be one of its own */
    const char *log;      /* the global --log; NULL: none */
    bool log_json;        /* --log-format json */
    const char *root;     /* the global --root; NULL: none */
    const char *id;       /* create, run, start, exec */
    const char *bundle;   /* create, run: as given; NULL: the current directory */
    const char *process_file;  /* exec: --process; NULL: none */
    size_t process;            /* exec: index in `arguments` of the element that ends in process_file */
    const char **capabilities; /* exec: the values of --cap, as given */
    size_t capabilities_count;

    char *name; /* owned: what `pin` points into */
};

/* Parses. `name` is the path by which the program was executed: its last component pins network and role,
 * sallyport-runtime.NETWORK.ROLE. `argv[0]` is not looked at.
 *
 * Returns 0 and a command line for command_line_free that borrows from argv. Returns a negative errno value
 * on failure; then only `log` and `log_json` of *ret are set (as far as they were understood, for
 * runtime_log_error), and there is nothing to free. */
int command_line_parse(const char *name, int argc, char **argv, struct command_line *ret, struct error *err);

/* Puts `argument` ("--process=FILE") in the place of the --process option and its value. It is borrowed. Only
 * for a command line that has a process_file, and once. */
void command_line_set_process(struct command_line *command, char *argument);

void command_line_free(struct command_line *command);
