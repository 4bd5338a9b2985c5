/* SPDX-License-Identifier: Apache-2.0
 *
 * What an engine finds in the runtime's log. The expected forms are those that runc 1.1 wrote. */
#include "hook/runtime_log.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <string.h>
#include <sys/stat.h>

static char directory[] = "/tmp/sallyport-log.XXXXXX";
static char path[64];

static void make_directory(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/log", directory);
    umask(022);
}

static void remove_directory(void)
{
    unlink(path);
    cr_assert_eq(rmdir(directory), 0, "a test left something behind: %s", strerror(errno));
}

TestSuite(runtime_log, .init = make_directory, .fini = remove_directory);

static char *contents(void)
{
    char *text = NULL;
    size_t length = 0;
    struct error err = {0};

    cr_assert_eq(file_read_at(AT_FDCWD, path, 65536, &text, &length, &err), 0, "%s", err.text);
    return text;
}

/* Replaces the time, whose form is checked, by T. */
static void hide_time(char *text)
{
    regex_t form;
    regmatch_t match;

    cr_assert_eq(regcomp(&form, "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", REG_EXTENDED), 0);
    while (regexec(&form, text, 1, &match, 0) == 0) {
        text[match.rm_so] = 'T';
        memmove(text + match.rm_so + 1, text + match.rm_eo, strlen(text + match.rm_eo) + 1);
    }
    regfree(&form);
}

static void check_text(const char *line, const char *expected)
{
    struct command_line command = {.log = path};
    cleanup_free char *text = NULL;

    cr_assert_eq(runtime_log_error(&command, line), 0);
    text = contents();
    hide_time(text);
    cr_expect_str_eq(text, expected, "%s", text);
    unlink(path);
}

Test(runtime_log, text_as_logrus_writes_it)
{
    check_text("id: why; do", "time=\"T\" level=error msg=\"id: why; do\"\n");
    check_text("a \"b\" \\ `c`", "time=\"T\" level=error msg=\"a \\\"b\\\" \\\\ `c`\"\n");
    check_text("a\nb\tc\x01\x7f\xff", "time=\"T\" level=error msg=\"a\\x0ab\\x09c\\x01\\x7f\\xff\"\n");
    check_text("\xc3\xbc\xe2\x82", "time=\"T\" level=error msg=\"\xc3\xbc\\xe2\\x82\"\n");
    check_text("", "time=\"T\" level=error msg=\"\"\n");
}

static void check_json(const char *line, const char *expected)
{
    struct command_line command = {.log = path, .log_json = true};
    cleanup_free char *text = NULL;

    cr_assert_eq(runtime_log_error(&command, line), 0);
    text = contents();
    hide_time(text);
    cr_expect_str_eq(text, expected, "%s", text);
    unlink(path);
}

Test(runtime_log, json_as_logrus_writes_it)
{
    check_json("id: why; do", "{\"level\":\"error\",\"msg\":\"id: why; do\",\"time\":\"T\"}\n");
    check_json("a \"b\"\n\x01\\", "{\"level\":\"error\",\"msg\":\"a \\\"b\\\"??\\\\\",\"time\":\"T\"}\n");
    check_json("\xc2\x85\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80",
               "{\"level\":\"error\",\"msg\":\"???????????\",\"time\":\"T\"}\n");
    check_json("\xc3\xbc\xff", "{\"level\":\"error\",\"msg\":\"\xc3\xbc?\",\"time\":\"T\"}\n");
}

Test(runtime_log, appends_a_line_each)
{
    struct command_line command = {.log = path, .log_json = true};
    cleanup_free char *text = NULL;

    cr_assert_eq(runtime_log_error(&command, "one"), 0);
    cr_assert_eq(runtime_log_error(&command, "two"), 0);
    text = contents();
    hide_time(text);
    cr_expect_str_eq(text, "{\"level\":\"error\",\"msg\":\"one\",\"time\":\"T\"}\n"
                           "{\"level\":\"error\",\"msg\":\"two\",\"time\":\"T\"}\n");
}

Test(runtime_log, mode_is_runcs)
{
    struct command_line command = {.log = path};
    struct stat status;

    cr_assert_eq(runtime_log_error(&command, "one"), 0);
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode, S_IFREG | 0644);
}

Test(runtime_log, follows_no_link)
{
    struct command_line command = {.log = path};
    struct stat status;
    char target[80];

    snprintf(target, sizeof(target), "%s.target", path);
    cr_assert_eq(symlink(target, path), 0);
    cr_expect_eq(runtime_log_error(&command, "one"), -ELOOP);
    cr_expect_neq(stat(target, &status), 0);
}

Test(runtime_log, a_fifo_without_reader_does_not_hang)
{
    struct command_line command = {.log = path};

    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_expect_eq(runtime_log_error(&command, "one"), -ENXIO);
}

Test(runtime_log, no_log_is_no_error)
{
    struct command_line none = {0};
    struct command_line empty = {.log = ""};
    struct stat status;

    cr_expect_eq(runtime_log_error(&none, "one"), 0);
    cr_expect_eq(runtime_log_error(&empty, "one"), 0);
    cr_expect_neq(stat(path, &status), 0);
}

Test(runtime_log, where_crun_would_log)
{
    struct command_line file = {0};
    struct command_line journal = {.log = "journald:x"};
    struct command_line system = {.log = "syslog:"};
    struct command_line absent = {.log = "/nonexistent/log"};
    char prefixed[80];
    cleanup_free char *text = NULL;

    snprintf(prefixed, sizeof(prefixed), "file:%s", path);
    file.log = prefixed;
    cr_assert_eq(runtime_log_error(&file, "one"), 0);
    text = contents();
    cr_expect_not_null(strstr(text, "msg=\"one\"\n"));
    cr_expect_eq(runtime_log_error(&journal, "one"), -ENOTSUP);
    cr_expect_eq(runtime_log_error(&system, "one"), -ENOTSUP);
    cr_expect_eq(runtime_log_error(&absent, "one"), -ENOENT);
}
