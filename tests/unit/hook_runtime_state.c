/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking the runtime for a container's state: runtimes that fail, die, chatter or hang, as real programs.
 * Each ends in one clear error, and in time. */
#include "hook/runtime_state.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOON_MS = 300, LATE_MS = 20 * 1000 };

static char directory[] = "/tmp/sallyport-unit-XXXXXX";
static char runtime[64];

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(runtime, sizeof(runtime), "%s/runtime", directory);
}

static void tear_down(void)
{
    unlink(runtime);
    rmdir(directory);
}

TestSuite(runtime_state, .init = set_up, .fini = tear_down, .timeout = 60);

/* A runtime that is this shell script. */
static void is(const char *script)
{
    FILE *file = NULL;

    unlink(runtime);
    file = fopen(runtime, "w");
    cr_assert_not_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", script);
    fclose(file);
    cr_assert_eq(chmod(runtime, 0700), 0);
}

static int ask(int patience_ms, json_t **ret, struct error *err)
{
    const char *globals[] = {"--root", "/somewhere"};
    struct command_line command = {.id = "c", .globals = globals, .globals_count = 2};

    return runtime_state_within(runtime, &command, patience_ms, ret, err);
}

static void fails(const char *script, int patience_ms, const char *why)
{
    struct error err = {0};
    json_t *state = NULL;

    is(script);
    cr_expect_lt(ask(patience_ms, &state, &err), 0, "%s", script);
    cr_expect_not_null(strstr(err.text, why), "%s: %s", script, err.text);
    cr_expect_null(strchr(err.text, '\n'), "%s", err.text);
    cr_expect_null(state);
}

Test(runtime_state, is_asked_with_the_globals_and_the_id)
{
    struct error err = {0};
    json_t *state = NULL;

    is("printf '{\"id\": \"%s\"}' \"$*\"; echo chatter >&2");
    cr_assert_eq(ask(LATE_MS, &state, &err), 0, "%s", err.text);
    cr_expect_str_eq(json_string_value(json_object_get(state, "id")), "--root /somewhere state c");
    json_decref(state);
}

Test(runtime_state, standard_input_is_nobodys)
{
    struct error err = {0};
    json_t *state = NULL;

    is("printf '{\"in\": \"%s\"}' \"$(readlink /proc/self/fd/0)\"");
    cr_assert_eq(ask(LATE_MS, &state, &err), 0, "%s", err.text);
    cr_expect_str_eq(json_string_value(json_object_get(state, "in")), "/dev/null");
    json_decref(state);
}

Test(runtime_state, failures_are_told)
{
    fails("exit 3", LATE_MS, "runtime state: exit status 3");
    fails("printf 'no such container\\n\\n' >&2; exit 1", LATE_MS, "exit status 1: no such container");
    fails("printf 'one\\ntwo\\033[31m' >&2; exit 1", LATE_MS, "exit status 1: one");
    fails("kill -9 $$", LATE_MS, "runtime state: killed by signal 9");
    fails("echo '{}'; kill -9 $$", LATE_MS, "killed by signal 9");
    fails("echo '{}'; exit 1", LATE_MS, "exit status 1");
}

Test(runtime_state, answers_that_are_none)
{
    fails("true", LATE_MS, "the runtime's state: it is empty");
    fails("echo garbage", LATE_MS, "parse the runtime's state");
    fails("echo '{\"id\": \"c\"'", LATE_MS, "parse the runtime's state");
    fails("echo '{} {}'", LATE_MS, "parse the runtime's state");
    fails("echo '[]'", LATE_MS, "not a JSON object");
    fails("echo '{\"pid\": 2, \"pid\": 3}'", LATE_MS, "duplicate");
    fails("head -c 3000000 /dev/zero", LATE_MS, "File too large");
}

Test(runtime_state, much_to_say_on_both_streams)
{
    fails("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1", LATE_MS, "exit status 1: xxxxx");
}

Test(runtime_state, runtimes_that_hang)
{
    fails("exec sleep 600", SOON_MS, "runtime state: no answer within 300 ms");
    /* An answer, and then no end. */
    fails("echo '{}'; exec sleep 600", SOON_MS, "no answer within");
    fails("echo '{}'; exec sleep 600 >/dev/null 2>&1", SOON_MS, "no answer within");
    /* An end, but somebody still has the streams. */
    fails("echo '{}'; sleep 20 & exit 0", SOON_MS, "no answer within");
}

/* Only that runtime is killed which hangs, and it is: nothing is left that could go on. */
Test(runtime_state, who_hangs_is_killed)
{
    char path[96];
    char text[16] = "";
    FILE *file = NULL;
    long pid = 0;

    snprintf(path, sizeof(path), "%s/pid", directory);
    fails("echo $$ >\"${0%/*}/pid\"; exec sleep 600", 10 * SOON_MS, "no answer within"); /* time to say who */
    file = fopen(path, "r");
    cr_assert_not_null(file);
    cr_assert_not_null(fgets(text, sizeof(text), file));
    fclose(file);
    unlink(path);
    pid = strtol(text, NULL, 10);
    snprintf(path, sizeof(path), "/proc/%ld", pid);
    cr_expect_neq(access(path, F_OK), 0, "process %ld lives", pid);
}

Test(runtime_state, not_there_or_no_program)
{
    struct error err = {0};
    json_t *state = NULL;

    cr_expect_lt(ask(LATE_MS, &state, &err), 0);
    cr_expect_not_null(strstr(err.text, "No such file"), "%s", err.text);
    is("exit 0");
    cr_assert_eq(chmod(runtime, 0600), 0);
    cr_expect_lt(ask(LATE_MS, &state, &err), 0);
    cr_expect_not_null(strstr(err.text, "ermission denied"), "%s", err.text);
}
