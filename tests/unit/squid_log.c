/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of squid's log, as they are, cut at every byte, and as nobody should write them. Each is put at the
 * end of a page with nothing behind it: reading one byte too many is a crash. That squid writes them like
 * that is tested with squid: tests/engines/log_proxy.bats. */
#include "cli/squid_log.h"

#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

#define BEFORE "1795372393.048 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/- hosts "
#define LINE BEFORE "CONNECT attacker.example:443"

static char *page; /* what is behind it cannot be read */

static void setup(void)
{
    page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    cr_assert_eq(mprotect(page + PAGE, PAGE, PROT_NONE), 0);
}

TestSuite(squid_log, .init = setup);

static bool parse(const char *line, size_t length, struct squid_log_line *ret)
{
    memcpy(page + PAGE - length, line, length);
    return squid_log_parse(page + PAGE - length, length, ret);
}

static bool is_line(const char *line)
{
    struct squid_log_line unused;

    return parse(line, strlen(line), &unused);
}

static bool is_refused(const char *line)
{
    struct squid_log_line parsed;

    cr_assert(parse(line, strlen(line), &parsed), "%s", line);
    return squid_log_refused(&parsed);
}

Test(squid_log, every_field)
{
    struct squid_log_line line;

    cr_assert(parse(LINE, strlen(LINE), &line));
    cr_expect_eq(line.seconds, 1795372393);
    cr_expect_eq(line.milliseconds, 48);
    cr_expect_eq(line.client, 0x0ad10042);
    cr_expect_eq(line.status, 403);
    cr_expect(line.denied && !line.own && !line.cut);
    cr_expect_str_eq(line.denial, "hosts");
    cr_expect_str_eq(line.method, "CONNECT");
    cr_expect_str_eq(line.target, "attacker.example:443");
}

Test(squid_log, a_line_that_is_cut_is_none_until_it_has_a_target)
{
    const size_t before = strlen(BEFORE "CONNECT ");

    for (size_t length = 0; length <= strlen(LINE); length++) {
        struct squid_log_line line = {.status = 7};

        cr_expect_eq(parse(LINE, length, &line), length > before, "%zu", length);
        cr_expect_eq(line.status, length > before ? 403 : 7, "%zu", length);
    }
}

/* Any other byte at any place either is one of the field's characters, or makes the line none. */
Test(squid_log, no_byte_that_is_not_printed_gets_through)
{
    for (size_t at = 0; at < strlen(LINE); at++)
        for (int byte = 0; byte < 256; byte++) {
            char line[] = LINE;
            struct squid_log_line parsed;

            line[at] = (char)byte;
            if (!parse(line, strlen(LINE), &parsed))
                continue;
            cr_expect((byte >= ' ' && byte <= '~') || at >= strlen(BEFORE "CONNECT "), "%zu: %d", at, byte);
            cr_expect(byte != ' ' || LINE[at] == ' ', "%zu: a blank", at);
            for (const char *c = parsed.target; *c != '\0'; c++)
                cr_expect(*c > ' ' && *c <= '~', "%zu: %d", at, byte);
        }
}

Test(squid_log, other_forms_are_no_lines)
{
    static const char *const lines[] = {
        "",
        "\n",
        " " LINE,
        LINE " ",
        LINE " x",
        "-1.048 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/- hosts CONNECT a:443",
        "1795372393 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.04 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.0480 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/- hosts CONNECT a:443",
        "1795372393000.048 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.048 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.048 9999999999999999999 10.209.0.66 TCP_DENIED/403 1 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.048 5 10.209.0.66 TCP_DENIED/403 9999999999999999999 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.048 5 10.209.0.256 TCP_DENIED/403 3829 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.048 5 10.209.066 TCP_DENIED/403 3829 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.048 5 ::1 TCP_DENIED/403 3829 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.048 5 10.209.0.66 TCP_DENIED/40 3829 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.048 5 10.209.0.66 TCP_DENIED/4030 3829 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.048 5 10.209.0.66 /403 3829 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.048 5 10.209.0.66 TCP_DENIED/403 -1 HIER_NONE/- hosts CONNECT a:443",
        "1795372393.048 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/ hosts CONNECT a:443",
        "1795372393.048 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/a.example hosts CONNECT a:443",
        "1795372393.048 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/- host CONNECT a:443",
        "1795372393.048 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/- hosts,method CONNECT a:443",
        "1795372393.048 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/- -10.0.0.0/8 CONNECT a:443",
        "1795372393.048 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/-  CONNECT a:443",
        "1795372393.048 5 10.209.0.66 TCP_DENIED/403 3829 HIER_NONE/- hosts a:443",
        BEFORE "MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM a:443", /* 33 */
        /* squid's own format */
        "1795372393.048      5 10.209.0.66 TCP_DENIED/403 3829 CONNECT a:443 - HIER_NONE/- text/html",
    };

    for (size_t i = 0; i < array_size(lines); i++)
        cr_expect(!is_line(lines[i]), "%s", lines[i]);
}

Test(squid_log, a_target_as_long_as_the_log_lets_may_have_been_longer)
{
    char text[sizeof(BEFORE) + sizeof("CONNECT ") + SQUID_LOG_TARGET_MAX + 1] = BEFORE "CONNECT ";
    size_t length = strlen(text);
    struct squid_log_line line;

    memset(text + length, 'x', SQUID_LOG_TARGET_MAX + 1);
    cr_assert(parse(text, length + SQUID_LOG_TARGET_MAX - 1, &line));
    cr_expect(!line.cut);
    cr_assert(parse(text, length + SQUID_LOG_TARGET_MAX, &line));
    cr_expect(line.cut && strlen(line.target) == SQUID_LOG_TARGET_MAX);
    cr_assert(parse(text, length + SQUID_LOG_TARGET_MAX + 1, &line));
    cr_expect(line.cut && strlen(line.target) == SQUID_LOG_TARGET_MAX);
    text[length + SQUID_LOG_TARGET_MAX - 1] = '\xff'; /* of whose escape only the first character has room */
    cr_assert(parse(text, length + SQUID_LOG_TARGET_MAX, &line));
    cr_expect(line.cut && strlen(line.target) == SQUID_LOG_TARGET_MAX);
}

Test(squid_log, what_nobody_has_escaped_is)
{
    static const char text[] = BEFORE "CONNECT a\0\t\n\x1b\x7f\xff%zz";
    struct squid_log_line line;

    cr_assert(parse(text, sizeof(text) - 1, &line));
    cr_expect_str_eq(line.target, "a%00%09%0A%1B%7F%FF%zz");
    cr_expect(!line.cut);
}

Test(squid_log, what_was_refused)
{
#define REQUEST(result, denial) "1.000 0 10.9.0.66 " result " 0 HIER_NONE/- " denial " CONNECT a:443"
    static const char *const refused[] = {
        REQUEST("TCP_DENIED/403", "hosts"),
        REQUEST("TCP_DENIED_ABORTED/403", "method"),
        REQUEST("TCP_DENIED/503", "name"),
        REQUEST("TCP_DENIED/403", "subnet"),
        REQUEST("TCP_DENIED/403", "10.0.0.0/8"),
        REQUEST("TCP_DENIED/403", "::-::fffe:ffff:ffff"),
        REQUEST("NONE_NONE/400", "-"),
        REQUEST("NONE_NONE/431", "-"),
        REQUEST("NONE_NONE/501", "-"),
        REQUEST("TCP_DENIED/403", "-"),
        REQUEST("NONE_NONE_ABORTED/000", "name"),
    };
    static const char *const others[] = {
        REQUEST("TCP_TUNNEL/200", "-"), REQUEST("TCP_TUNNEL/503", "-"), REQUEST("NONE_NONE/000", "-"),
        REQUEST("NONE_NONE/503", "-"),  REQUEST("NONE_NONE/408", "-"),  REQUEST("TCP_MISS/404", "-"),
    };

    for (size_t i = 0; i < array_size(refused); i++)
        cr_expect(is_refused(refused[i]), "%s", refused[i]);
    for (size_t i = 0; i < array_size(others); i++)
        cr_expect(!is_refused(others[i]), "%s", others[i]);
}

/* The widths that squid is told are those that the reader takes; nothing else in the line can be long. */
Test(squid_log, the_format_is_as_wide_as_its_reader)
{
    char method[32];
    char target[32];

    snprintf(method, sizeof(method), " %%.%drm ", SQUID_LOG_METHOD_MAX);
    snprintf(target, sizeof(target), " %%.%dru", SQUID_LOG_TARGET_MAX);
    cr_expect_not_null(strstr(squid_log_format, method));
    cr_expect_not_null(strstr(squid_log_format, target));
}

Test(squid_log, what_haproxy_writes_is_the_same)
{
    static const char line[] =
        "1795937658.168 2 10.209.0.64 TCP_DENIED/403 0 HIER_DIRECT/- hosts TLS a%20b:443";
    static const char passed[] =
        "1795937658.168 2 10.209.0.64 TCP_TUNNEL/200 9 HIER_DIRECT/2001:db8::7 - TLS v6.example:443";
    static const char *const notices[] = {"Proxy TLS stopped (cumulated conns: FE: 13, BE: 0).",
                                          "Proxy <HTTPCLIENT> stopped (cumulated conns: FE: 0, BE: 0)."};
    struct squid_log_line read;

    cr_assert(squid_log_parse(line, strlen(line), &read));
    cr_expect_str_eq(read.method, SQUID_LOG_TLS);
    cr_expect_str_eq(read.target, "a%20b:443");
    cr_expect_str_eq(read.denial, SQUID_LOG_HOSTS);
    cr_expect(squid_log_refused(&read));
    cr_expect(!is_refused(passed));
    for (size_t i = 0; i < array_size(notices); i++)
        cr_expect(squid_log_is_notice(notices[i], strlen(notices[i])), "%s", notices[i]);
    cr_expect_not(squid_log_is_notice(line, strlen(line)));
    cr_expect_not(squid_log_is_notice("Proxy ", strlen("Proxy ")));
    cr_expect_not(squid_log_is_notice("1 Proxy TLS stopped (", strlen("1 Proxy TLS stopped (")));
}
