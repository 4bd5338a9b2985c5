/* SPDX-License-Identifier: Apache-2.0
 *
 * Following a file, in all the ways in which others write, replace and cut it. */
#include "cli/log_tail.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char directory[] = "/tmp/sallyport-tail-XXXXXX";
static char path[64];
static char other[64];
static struct log_tail tail;
static char seen[4096]; /* the lines, "|" behind each; "?" for NULL */

static void setup(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/log", directory);
    snprintf(other, sizeof(other), "%s/other", directory);
}

static void teardown(void)
{
    log_tail_close(&tail);
    unlink(path);
    unlink(other);
    rmdir(directory);
}

TestSuite(log_tail, .init = setup, .fini = teardown);

static void append(const char *file, const char *text)
{
    cleanup_close int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(file_write_all(fd, text, strlen(text)), 0);
}

static void collect(const char *line, size_t length, void *data)
{
    size_t used = strlen(seen);

    cr_assert_null(data);
    snprintf(seen + used, sizeof(seen) - used, "%.*s|", line != NULL ? (int)length : 1,
             line != NULL ? line : "?");
}

/* What has come since the last time. */
static void expect(const char *lines)
{
    unsigned calls = 0;

    seen[0] = '\0';
    while (log_tail_read(&tail, collect, NULL))
        cr_assert_lt(++calls, 100);
    cr_expect_str_eq(seen, lines, "%s, not %s", seen, lines);
}

Test(log_tail, from_the_start_or_from_now_on)
{
    append(path, "one\ntwo\nthr");
    log_tail_open(path, true, &tail);
    expect("one|two|");
    append(path, "ee\n");
    expect("three|");
    log_tail_close(&tail);
    append(path, "fo");
    log_tail_open(path, false, &tail);
    append(path, "ur\nfive\n");
    expect("five|");
    log_tail_close(&tail);
    log_tail_open(path, false, &tail);
    append(path, "six\n");
    expect("six|");
}

/* Half of a line before it, and whole ones behind it, as when a writer goes on at its old place in a file
 * that was cut. */
Test(log_tail, a_hole_is_one_line_that_is_none_however_large)
{
    const off_t large = (off_t)1 << 40;

    append(path, "one\ntw");
    log_tail_open(path, true, &tail);
    expect("one|");
    cr_assert_eq(truncate(path, large), 0);
    append(path, "three\nfour\n");
    expect("?|three|four|");
    append(path, "five\n");
    cr_assert_eq(truncate(path, 2 * large), 0);
    expect("five|?|");
    cr_assert_eq(truncate(path, 3 * large), 0);
    append(path, "six\n");
    expect("?|six|");
    cr_assert_eq(truncate(path, 0), 0);
    append(path, "seven\n");
    expect("seven|");
}

/* As haproxy does, which goes on at its old place. */
Test(log_tail, what_is_written_behind_the_start_of_a_file_that_was_cut_is_a_line)
{
    static const off_t places[] = {4, 10000};

    append(path, "one\n");
    log_tail_open(path, true, &tail);
    expect("one|");
    for (size_t i = 0; i < array_size(places); i++) {
        cr_assert_eq(truncate(path, 0), 0);
        expect("");
        cr_assert_eq(truncate(path, places[i]), 0);
        append(path, "two\nthree\n");
        expect("two|three|");
        log_tail_close(&tail);
        log_tail_open(path, true, &tail);
        expect("two|three|");
    }
}

Test(log_tail, a_file_that_comes_later_is_read_whole)
{
    log_tail_open(path, false, &tail);
    cr_expect_eq(tail.problem, ENOENT);
    expect("");
    append(path, "one\n");
    expect("one|");
    cr_expect_eq(tail.problem, 0);
}

Test(log_tail, a_file_that_is_replaced_is_read_to_its_end_first)
{
    append(path, "one\n");
    log_tail_open(path, false, &tail);
    cr_assert_eq(rename(path, other), 0);
    append(other, "two\n");
    expect("two|");
    append(other, "three\nhal");
    append(path, "four\n");
    expect("three|?|four|");
    append(other, "lost: nobody writes there any more\n");
    expect("");
}

Test(log_tail, a_file_that_is_cut_is_read_from_its_start)
{
    append(path, "one\ntwo\nhal");
    log_tail_open(path, true, &tail);
    expect("one|two|");
    cr_assert_eq(truncate(path, 0), 0);
    append(path, "three\n");
    expect("?|three|");
}

Test(log_tail, a_line_that_is_too_long_is_one_line)
{
    static char text[SQUID_LOG_LINE_MAX + 2];

    log_tail_open(path, true, &tail);
    memset(text, 'x', SQUID_LOG_LINE_MAX + 1);
    append(path, text);
    expect("?|");
    append(path, text);
    expect("");
    append(path, "\nnext\n");
    expect("next|");
    text[SQUID_LOG_LINE_MAX] = '\0';
    append(path, text);
    append(path, "\n");
    log_tail_read(&tail, collect, NULL);
    cr_expect_eq(strlen(seen), strlen("next|") + SQUID_LOG_LINE_MAX + 1);
}

/* However much there is, a call reads a part of it and says that there is more. */
Test(log_tail, a_call_reads_a_bounded_amount)
{
    cleanup_file FILE *file = fopen(path, "we");
    unsigned calls = 0;

    cr_assert_not_null(file);
    for (unsigned i = 0; i < 200000; i++)
        fputc('\n', file);
    fflush(file);
    log_tail_open(path, true, &tail);
    for (seen[0] = '\0'; log_tail_read(&tail, collect, NULL); calls++)
        cr_expect_leq(tail.offset, (calls + 1) * 64 * 1024);
    cr_expect_eq(calls, 4);
}

Test(log_tail, nothing_but_a_file_is_opened)
{
    append(other, "secret\n");
    cr_assert_eq(symlink(other, path), 0);
    log_tail_open(path, true, &tail);
    expect("");
    cr_expect_eq(tail.problem, ELOOP);
    unlink(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    expect("");
    cr_expect_eq(tail.problem, EINVAL);
    unlink(path);
    append(path, "line\n");
    expect("line|");
}
