/* SPDX-License-Identifier: Apache-2.0
 *
 * What is taken from command lines, and which ones are refused. In the tables arguments are separated by one
 * space each (two enclose an empty argument) and `%` stands for a space within an argument. That runc and
 * crun take the accepted ones the same way is shown by tests/engines/command_line.bats. */
#include "hook/command_line.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    ARGUMENTS_MAX = 32,
    TEXT_MAX = 512,
};

struct words {
    char text[TEXT_MAX];
    char *argv[ARGUMENTS_MAX + 2]; /* [0] is the program's */
    int argc;
};

TestSuite(command_line);

static char program[] = "whatever";

static void split(const char *line, struct words *ret)
{
    char *rest = ret->text;

    cr_assert_lt(strlen(line), sizeof(ret->text));
    strcpy(ret->text, line);
    ret->argv[0] = program;
    ret->argc = 1;
    for (char *word = NULL; line[0] != '\0' && (word = strsep(&rest, " ")) != NULL;) {
        cr_assert_leq(ret->argc, ARGUMENTS_MAX);
        ret->argv[ret->argc++] = word;
        for (; *word != '\0'; word++)
            if (*word == '%')
                *word = ' ';
    }
    ret->argv[ret->argc] = NULL;
}

static void join(const char *const *words, size_t count, char ret[static TEXT_MAX])
{
    size_t used = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(ret + used, TEXT_MAX - used, "%s%s", i > 0 ? " " : "", words[i]);
}

static int parse(const char *name, struct words *words, struct command_line *ret, struct error *err)
{
    return command_line_parse(name, words->argc, words->argv, ret, err);
}

/* Equal, or both missing. */
static bool same(const char *left, const char *right)
{
    return left == right || (left != NULL && right != NULL && strcmp(left, right) == 0);
}

/* --- accepted ------------------------------------------------------------------------------------ */

struct accepted {
    const char *line;
    enum command_verb verb;
    const char *id;
    const char *bundle;
    const char *process;
    const char *capabilities; /* joined; NULL: none */
    const char *globals;
    const char *log;
    bool log_json;
};

static const struct accepted ACCEPTED[] = {
    /* as engines write them */
    {"--root /run/docker/runtime-runc/moby --log /run/log.json --log-format json create --bundle /run/b "
     "--pid-file /run/b/init.pid 0123abc",
     COMMAND_CREATE, .id = "0123abc", .bundle = "/run/b", .globals = "--root /run/docker/runtime-runc/moby",
     .log = "/run/log.json", .log_json = true},
    {"--log-format=json --log /c/oci-log --systemd-cgroup create --bundle /c/userdata --pid-file /c/pidfile "
     "--console-socket /s --no-pivot --no-new-keyring 0123abc",
     COMMAND_CREATE, .id = "0123abc", .bundle = "/c/userdata", .globals = "--systemd-cgroup",
     .log = "/c/oci-log", .log_json = true},
    {"--cgroup-manager cgroupfs --rootless=false exec --pid-file /e --process /p.json --detach --tty 0123abc",
     COMMAND_EXEC, .id = "0123abc", .process = "/p.json",
     .globals = "--cgroup-manager cgroupfs --rootless=false"},
    {"--criu /c --debug --log-level debug --log-format text run --bundle /b --keep 0123abc", COMMAND_RUN,
     .id = "0123abc", .bundle = "/b", .globals = "--criu /c"},
    {"--root /r start 0123abc", COMMAND_START, .id = "0123abc", .globals = "--root /r"},
    {"run -b . -d x", COMMAND_RUN, .id = "x", .bundle = "."},
    {"create x", COMMAND_CREATE, .id = "x"},
    /* what looks like something else */
    {"--root create create --bundle start run", COMMAND_CREATE, .id = "run", .bundle = "start",
     .globals = "--root create"},
    {"--root --help create create", COMMAND_CREATE, .id = "create", .globals = "--root --help"},
    {"--root --log create --bundle --bundle x", COMMAND_CREATE, .id = "x", .bundle = "--bundle",
     .globals = "--root --log"},
    {"--log --root --root --log start x", COMMAND_START, .id = "x", .globals = "--root --log",
     .log = "--root"},
    {"create --bundle -- x", COMMAND_CREATE, .id = "x", .bundle = "--"},
    {"create --bundle --pid-file -- x", COMMAND_CREATE, .id = "x", .bundle = "--pid-file"},
    {"create --bundle=--pid-file=y x", COMMAND_CREATE, .id = "x", .bundle = "--pid-file=y"},
    {"create --bundle=a=b x", COMMAND_CREATE, .id = "x", .bundle = "a=b"},
    {"create --pid-file --help x", COMMAND_CREATE, .id = "x"},
    {"create --pid-file  x", COMMAND_CREATE, .id = "x"},
    {"run --console-socket --preserve-fds x", COMMAND_RUN, .id = "x"},
    {"create --bundle /a%b% x", COMMAND_CREATE, .id = "x", .bundle = "/a b "},
    {"start create", COMMAND_START, .id = "create"},
    {"create --no-pivot -- x", COMMAND_CREATE, .id = "x"},
    {"create --no-pivot --no-new-keyring=true --no-subreaper=false x", COMMAND_CREATE, .id = "x"},
    {"create --preserve-fds 0 --preserve-fds=0 x", COMMAND_CREATE, .id = "x"},
    {"--log a --log b --log-format json --log-format text create x", COMMAND_CREATE, .id = "x", .log = "b"},
    {"--log= create x", COMMAND_CREATE, .id = "x", .log = ""},
    /* exec: its options end at the id */
    {"exec -p /p x", COMMAND_EXEC, .id = "x", .process = "/p"},
    {"exec --process=/p x", COMMAND_EXEC, .id = "x", .process = "/p"},
    {"exec --process --process x", COMMAND_EXEC, .id = "x", .process = "--process"},
    {"exec -c CAP_A --cap CAP_B --cap=CAP_C x sh", COMMAND_EXEC, .id = "x",
     .capabilities = "CAP_A CAP_B CAP_C"},
    {"exec x --process /p --cap CAP_A --help", COMMAND_EXEC, .id = "x"},
    {"exec -- x --process /p", COMMAND_EXEC, .id = "x"},
    {"exec -e A=b --env C -u 0:0 -g 5 -t --tty=true --cwd / --cgroup c --ignore-paused --no-new-privs x sh "
     "-c -p",
     COMMAND_EXEC, .id = "x"},
    {"exec x", COMMAND_EXEC, .id = "x"},
    {"exec x -- sh", COMMAND_EXEC, .id = "x"},
    /* not ours */
    {"--root /r --log /l delete --force x", COMMAND_OTHER, .globals = "--root /r", .log = "/l"},
    {"kill --all -x --y=z create --bundle", COMMAND_OTHER, .id = NULL},
    {"state x", COMMAND_OTHER, .id = NULL},
    {"features", COMMAND_OTHER, .id = NULL},
    {"help create", COMMAND_OTHER, .id = NULL},
    {"create --help", COMMAND_OTHER, .id = NULL},
    {"create --bundle /b -h", COMMAND_OTHER, .id = NULL},
    {"exec -c CAP_A -p /p --help", COMMAND_OTHER, .id = NULL},
    {"", COMMAND_OTHER, .id = NULL},
    {"--root /r", COMMAND_OTHER, .globals = "--root /r"},
    {"restore --preserve-fds 3 -bundle", COMMAND_RESTORE, .id = NULL},
    {"--help", COMMAND_HELP, .id = NULL},
    {"-h", COMMAND_HELP, .id = NULL},
    {"--version --help", COMMAND_HELP, .id = NULL},
    {"--root /r --version", COMMAND_VERSION, .globals = "--root /r"},
    {"-v", COMMAND_VERSION, .id = NULL},
};

static void check_accepted(const struct accepted *expected)
{
    struct words words = {0};
    struct command_line line = {0};
    struct error err = {0};
    char text[TEXT_MAX];

    split(expected->line, &words);
    cr_assert_eq(parse("/usr/bin/sallyport-runtime", &words, &line, &err), 0, "%s: %s", expected->line,
                 err.text);
    cr_expect_eq(line.verb, expected->verb, "%s", expected->line);
    cr_expect(same(line.id, expected->id), "%s: id %s", expected->line, line.id);
    cr_expect(same(line.bundle, expected->bundle), "%s: bundle %s", expected->line, line.bundle);
    cr_expect(same(line.process_file, expected->process), "%s: process %s", expected->line,
              line.process_file);
    cr_expect(same(line.log, expected->log), "%s: log %s", expected->line, line.log);
    cr_expect_eq(line.log_json, expected->log_json, "%s", expected->line);
    join(line.capabilities, line.capabilities_count, text);
    cr_expect_str_eq(text, expected->capabilities != NULL ? expected->capabilities : "", "%s",
                     expected->line);
    join(line.globals, line.globals_count, text);
    cr_expect_str_eq(text, expected->globals != NULL ? expected->globals : "", "%s", expected->line);
    cr_expect_eq(line.arguments, words.argv + 1, "%s", expected->line);
    cr_expect(line.pin.network == NULL && line.pin.role == NULL && line.runtime == NULL);
    command_line_free(&line);
}

Test(command_line, takes_what_runtimes_take)
{
    for (size_t i = 0; i < sizeof(ACCEPTED) / sizeof(ACCEPTED[0]); i++)
        check_accepted(&ACCEPTED[i]);
}

/* --- refused ------------------------------------------------------------------------------------- */

struct refused {
    const char *line;
    const char *says;
};

static const struct refused REFUSED[] = {
    /* one runtime reads it one way, another another way */
    {"create -bundle /b x", "write --bundle VALUE"},
    {"create -b=/b x", "write --bundle VALUE"},
    {"create -b/b x", "write --bundle VALUE"},
    {"exec -dt x", "write --detach"},
    {"exec -tp /p x", "write --tty"},
    {"exec -p/p x", "write --process VALUE"},
    {"exec -process /p x", "write --process VALUE"},
    {"create --bund /b x", "does not know it"},
    {"create --b /b x", "does not know it"},
    {"--roo /r create x", "does not know it"},
    {"-root /r create x", "does not know it"},
    {"create x --bundle /b", "behind the container's id"},
    {"create x --", "behind the container's id"},
    {"create --help=false x", "write --help alone"},
    {"create --help --help=false x", "write --help alone"},
    {"create --help x --help=false", "give --help alone"},
    {"create --help x", "give --help alone"},
    {"create -h=false x", "write --help"},
    {"start --help=false x", "write --help alone"},
    {"--help=false create x", "write --help alone"},
    {"--version=false create x", "write --version alone"},
    {"--version --version=false create x", "write --version alone"},
    {"-v=false create x", "write --version"},
    {"--version create x", "--version and a verb"},
    {"--help create x", "--help and a verb"},
    {"-- create x", "`--` before the verb"},
    {"--debug -- create x", "`--` before the verb"},
    {"--debug=false%create create x", "--debug has no value"},
    {"--debug=1 create x", "--debug has no value"},
    {"create --bundle=/b% x", "write --bundle VALUE"},
    {"create --bundle=/b\xc2\xa0 x", "write --bundle VALUE"},
    {"create --bundle= x", "--bundle is empty"},
    {"create --bundle  x", "--bundle is empty"},
    {"create %--bundle=/b x", "is not a container's id"},
    {"create x%", "is not a container's id"},
    {"create \xc2\xa0x", "is not a container's id"},
    {"create \xc2\x85--bundle=/b", "is not a container's id"},
    {"start x\n", "is not a container's id"},
    {"%create x", "does not know it"},
    {"create% x", "does not know it"},
    {" create x", "does not know it"},
    {"creat x", "does not know it"},
    {"CREATE x", "does not know it"},
    {"- create x", "does not know it"},
    {"init", "does not know it"},
    {"mounts add x", "does not know it"},
    /* unknown */
    {"--no-such create x", "global option `--no-such`"},
    {"-x create x", "global option `-x`"},
    {"-V", "global option `-V`"},
    {"create --no-such x", "option `--no-such` of create"},
    {"create --keep x", "option `--keep` of create"},
    {"create --root /r x", "option `--root` of create"},
    {"create --process /p x", "option `--process` of create"},
    {"start --bundle /b x", "option `--bundle` of start"},
    {"exec --bundle /b x", "option `--bundle` of exec"},
    {"create ---bundle /b x", "does not know it"},
    {"create --=x y", "does not know it"},
    {"create --bundle\n=/b y", "does not know it"},
    /* one id, behind the options */
    {"create", "create: the container's id is missing"},
    {"create --bundle /b", "create: the container's id is missing"},
    {"run --", "run: the container's id is missing"},
    {"start", "start: the container's id is missing"},
    {"exec --process /p", "exec: the container's id is missing"},
    {"create --bundle", "its value is missing"},
    {"--root", "its value is missing"},
    {"create x y", "`y` stands behind"},
    {"start x y", "`y` stands behind"},
    {"start x --help", "`--help` stands behind"},
    {"create -- --bundle", "is not a container's id"},
    {"create -- --bundle x", "is not a container's id"},
    {"create -- --", "is not a container's id"},
    {"create -", "is not a container's id"},
    {"create  ", "is not a container's id"},
    {"create a/b", "is not a container's id"},
    {"exec ../x sh", "is not a container's id"},
    /* twice */
    {"create --bundle /a --bundle /b x", "--bundle is given twice"},
    {"create -b /a --bundle=/a x", "--bundle is given twice"},
    {"exec --process /a -p /b x", "--process is given twice"},
    {"exec --process= x", "--process is empty"},
    /* what would undo the edit */
    {"create --config /c x", "has not been edited"},
    {"run -f /c x", "has not been edited"},
    {"create --preserve-fds 1 x", "drop --preserve-fds"},
    {"create --preserve-fds=1 x", "drop --preserve-fds"},
    {"run --preserve-fds 0x0 x", "drop --preserve-fds"},
    {"run --preserve-fds 00 x", "drop --preserve-fds"},
    {"exec --preserve-fds -1 x", "drop --preserve-fds"},
    {"exec --preserve-fds  x", "drop --preserve-fds"},
    {"create --preserve-fds 0 --preserve-fds 3 x", "drop --preserve-fds"},
    /* our own */
    {"--network", "its value is missing"},
    {"--network a --network a create x", "--network is given twice"},
    {"--role=a --role b create x", "--role is given twice"},
    {"--runtime /a --runtime /a create x", "--runtime is given twice"},
    {"--network A create x", "network `A` is not a name"},
    {"--network= create x", "network `` is not a name"},
    {"--role a.b create x", "role `a.b` is not a name"},
    {"--runtime runc create x", "not an absolute path"},
    {"--runtime= create x", "not an absolute path"},
    {"--root /r --network a create x", "put --network, --role and --runtime first"},
    {"--debug --runtime=/r create x", "put --network, --role and --runtime first"},
    {"create --network a x", "option `--network` of create"},
    {"--networks a create x", "global option `--networks`"},
};

static void check_refused(const struct refused *expected)
{
    struct words words = {0};
    struct command_line line = {0};
    struct error err = {0};

    split(expected->line, &words);
    cr_assert_lt(parse("sallyport-runtime", &words, &line, &err), 0, "%s: accepted", expected->line);
    cr_expect(strstr(err.text, expected->says) != NULL, "%s: %s", expected->line, err.text);
    cr_expect(strchr(err.text, ';') != NULL || strstr(expected->says, "missing") != NULL, "%s: no advice: %s",
              expected->line, err.text);
    cr_expect(line.arguments == NULL && line.name == NULL && line.globals == NULL);
}

Test(command_line, refuses_what_runtimes_might_take_another_way)
{
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++)
        check_refused(&REFUSED[i]);
}

Test(command_line, a_refusal_still_knows_the_log)
{
    static const char *const LINES[] = {
        "--log /l --log-format json create --preserve-fds 3 x",
        "--log-format=json --log=/l --no-such create x",
        "--network BAD --log /l --log-format json create x",
        "--runtime runc --log /l --log-format json create x",
    };

    for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++) {
        struct words words = {0};
        struct command_line line = {0};
        struct error err = {0};

        split(LINES[i], &words);
        cr_assert_lt(parse("sallyport-runtime", &words, &line, &err), 0);
        cr_expect(same(line.log, "/l") && line.log_json, "%s", LINES[i]);
    }
}

/* --- the program's own --------------------------------------------------------------------------- */

struct pinned {
    const char *name;
    const char *line;
    const char *network;
    const char *role;
    const char *runtime;
    const char *refused; /* NULL: accepted */
};

static const struct pinned PINNED[] = {
    {"sallyport-runtime", "create x", .network = NULL},
    {"/a.b/sallyport-runtime", "create x", .network = NULL},
    {"sallyport-runtime.hermes", "create x", .network = "hermes"},
    {"/etc/sallyport/runtimes/sallyport-runtime.hermes.agent", "create x", .network = "hermes",
     .role = "agent"},
    {"./sallyport-runtime.a.proxy", "state x", .network = "a", .role = "proxy"},
    {"runc", "create x", .refused = "the name of the program"},
    {"/x/sallyport-runtime.hermes/runc", "create x", .refused = "the name of the program"},
    {"", "create x", .refused = "the name of the program"},
    {"sallyport-runtime", "--network a --role=b --runtime /r create x", .network = "a", .role = "b",
     .runtime = "/r"},
    {"sallyport-runtime", "--runtime=/r --role b create x", .role = "b", .runtime = "/r"},
    {"sallyport-runtime", "--network create create x", .network = "create"},
    {"sallyport-runtime.a", "--role b create x", .network = "a", .role = "b"},
    {"sallyport-runtime.a.b", "--network=a --role=b create x", .network = "a", .role = "b"},
    {"sallyport-runtime.a", "--network b create x", .refused = "pins network a, but --network says b"},
    {"sallyport-runtime.a.b", "--role proxy create x", .refused = "pins role b, but --role says proxy"},
    {"sallyport-runtime.", "create x", .refused = "the name of the program"},
    {"sallyport-runtime..b", "create x", .refused = "the name of the program"},
    {"sallyport-runtime.a.", "create x", .refused = "the name of the program"},
    {"sallyport-runtime.a.b.c", "create x", .refused = "the name of the program"},
    {"sallyport-runtime.A", "--version", .refused = "the name of the program"},
    {"sallyport-runtime.a.-b", "state x", .refused = "the name of the program"},
    {"sallyport-runtime.thirteen-long", "create x", .refused = "the name of the program"},
    {"sallyport-runtime-hermes", "create x", .refused = "the name of the program"},
};

static void check_pinned(const struct pinned *expected)
{
    struct words words = {0};
    struct command_line line = {0};
    struct error err = {0};
    int result = 0;

    split(expected->line, &words);
    result = parse(expected->name, &words, &line, &err);
    if (expected->refused != NULL) {
        cr_expect_lt(result, 0, "%s %s: accepted", expected->name, expected->line);
        cr_expect(strstr(err.text, expected->refused) != NULL, "%s %s: %s", expected->name, expected->line,
                  err.text);
        return;
    }
    cr_assert_eq(result, 0, "%s %s: %s", expected->name, expected->line, err.text);
    cr_expect(same(line.pin.network, expected->network), "%s %s: %s", expected->name, expected->line,
              line.pin.network);
    cr_expect(same(line.pin.role, expected->role), "%s %s: %s", expected->name, expected->line,
              line.pin.role);
    cr_expect(same(line.runtime, expected->runtime), "%s %s: %s", expected->name, expected->line,
              line.runtime);
    cr_expect_str_eq(line.arguments[0], strcmp(expected->line, "state x") == 0 ? "state" : "create");
    command_line_free(&line);
}

Test(command_line, pins_by_name_and_options)
{
    for (size_t i = 0; i < sizeof(PINNED) / sizeof(PINNED[0]); i++)
        check_pinned(&PINNED[i]);
}

Test(command_line, no_arguments_at_all)
{
    char *argv[] = {NULL};
    struct command_line line = {0};
    struct error err = {0};

    cr_assert_eq(command_line_parse("sallyport-runtime", 0, argv, &line, &err), 0);
    cr_expect_eq(line.verb, COMMAND_OTHER);
    cr_expect_null(line.arguments[0]);
    command_line_free(&line);
}

/* --- another --process --------------------------------------------------------------------------- */

static void check_set_process(const char *before, const char *after)
{
    static char replacement[] = "--process=NEW";
    struct words words = {0};
    struct command_line line = {0};
    struct error err = {0};
    size_t count = 0;
    char text[TEXT_MAX];

    split(before, &words);
    cr_assert_eq(parse("sallyport-runtime", &words, &line, &err), 0, "%s", err.text);
    cr_assert(strcmp(line.process_file, "/p") == 0);
    command_line_set_process(&line, replacement);
    while (line.arguments[count] != NULL)
        count++;
    join((const char *const *)line.arguments, count, text);
    cr_expect_str_eq(text, after, "%s: %s", before, text);
    command_line_free(&line);
}

Test(command_line, puts_another_process_file_in_its_place)
{
    check_set_process("exec --process /p x", "exec --process=NEW x");
    check_set_process("exec --process=/p x", "exec --process=NEW x");
    check_set_process("exec -p /p x", "exec --process=NEW x");
    check_set_process("--root /p exec --pid-file --process --process /p -d x --process /p",
                      "--root /p exec --pid-file --process --process=NEW -d x --process /p");
    check_set_process("exec -t --process=/p -- x /p", "exec -t --process=NEW -- x /p");
}
