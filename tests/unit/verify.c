/* SPDX-License-Identifier: Apache-2.0
 *
 * What the probe says comes out of a container: only what has exactly the protocol's form counts, and what
 * was expected and seen decides about a line, nothing else. */
#include "base/cleanup.h"
#include "cli/verify_lines.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define LINE(group, expect, saw)                                                           \
    "{\"group\":\"" group "\",\"name\":\"tcp-443\",\"tried\":\"TCP\",\"expect\":\"" expect \
    "\",\"saw\":\"" saw "\",\"detail\":\"\",\"ms\":0.021}"

static int take(struct verify_lines *lines, const char *line)
{
    struct error err = {0};
    int result = verify_lines_take(lines, line, strlen(line), &err);

    cr_assert(result == 0 || err.text[0] != '\0');
    return result;
}

Test(verify, an_attempt_is_taken_as_it_is)
{
    struct verify_lines lines = {0};

    cr_assert_eq(take(&lines,
                      "{\"group\":\"raw\",\"name\":\"packet\",\"tried\":\"AF_PACKET\",\"expect\":\"closed\","
                      "\"saw\":\"open\",\"detail\":\"a \\\"b\\\"\",\"ms\":3}"),
                 0);
    cr_assert_eq(lines.count, 1);
    cr_assert_str_eq(verify_group_name(lines.attempts[0].group), "raw");
    cr_assert_str_eq(lines.attempts[0].name, "packet");
    cr_assert_str_eq(lines.attempts[0].tried, "AF_PACKET");
    cr_assert_str_eq(lines.attempts[0].detail, "a \"b\"");
    cr_assert_eq(lines.attempts[0].saw, VERIFY_OPEN);
    cr_assert_eq((int)lines.attempts[0].milliseconds, 3);
    verify_lines_free(&lines);
}

Test(verify, what_is_not_of_the_form_is_refused_and_changes_nothing)
{
    static const char *const BAD[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"group\":\"plain\"",
        LINE("plain", "closed", "closed") LINE("plain", "closed", "closed"),
        LINE("elsewhere", "closed", "closed"),
        LINE("plain", "impossible", "closed"),
        LINE("plain", "failed", "closed"),
        LINE("plain", "closed", "either"),
        LINE("plain", "closed", "shut"),
        LINE("plain", "closed\\u0000", "closed"),
        "{\"group\":\"plain\",\"name\":\"x\",\"tried\":\"\",\"expect\":\"closed\",\"saw\":\"open\",\"saw\":"
        "\"closed\","
        "\"detail\":\"\",\"ms\":1}",
        "{\"group\":\"plain\",\"name\":\"x\",\"tried\":\"\",\"expect\":\"closed\",\"saw\":\"closed\","
        "\"detail\":\"\"}",
        "{\"group\":\"plain\",\"name\":\"x\",\"tried\":\"\",\"expect\":\"closed\",\"saw\":\"closed\","
        "\"detail\":\"\","
        "\"ms\":1,\"more\":1}",
        "{\"group\":\"plain\",\"name\":\"\",\"tried\":\"\",\"expect\":\"closed\",\"saw\":\"closed\","
        "\"detail\":\"\","
        "\"ms\":1}",
        "{\"group\":\"plain\",\"name\":7,\"tried\":\"\",\"expect\":\"closed\",\"saw\":\"closed\",\"detail\":"
        "\"\","
        "\"ms\":1}",
        "{\"group\":\"plain\",\"name\":\"x\",\"tried\":\"\",\"expect\":\"closed\",\"saw\":\"closed\","
        "\"detail\":\"\","
        "\"ms\":-1}",
        "{\"group\":\"plain\",\"name\":\"x\",\"tried\":\"\",\"expect\":\"closed\",\"saw\":\"closed\","
        "\"detail\":\"\","
        "\"ms\":1e300}",
        "{\"group\":\"plain\",\"name\":\"x\",\"tried\":\"\",\"expect\":\"closed\",\"saw\":\"closed\","
        "\"detail\":\"\","
        "\"ms\":\"1\"}",
        /* What a terminal would obey, and text that reads backwards. */
        "{\"group\":\"plain\",\"name\":\"x\\u001b[2J\",\"tried\":\"\",\"expect\":\"closed\",\"saw\":"
        "\"closed\","
        "\"detail\":\"\",\"ms\":1}",
        "{\"group\":\"plain\",\"name\":\"x\",\"tried\":\"\",\"expect\":\"closed\",\"saw\":\"closed\","
        "\"detail\":\"\\u202e\",\"ms\":1}",
    };

    for (size_t i = 0; i < array_size(BAD); i++) {
        struct verify_lines lines = {0};

        cr_assert_lt(take(&lines, BAD[i]), 0, "taken: %s", BAD[i]);
        cr_assert_eq(lines.count, 0);
        verify_lines_free(&lines);
    }
}

Test(verify, every_truncation_of_a_line_is_refused)
{
    static const char line[] = LINE("plain", "closed", "closed");
    struct verify_lines lines = {0};
    struct error err = {0};

    for (size_t length = 0; length < sizeof(line) - 1; length++)
        cr_assert_lt(verify_lines_take(&lines, line, length, &err), 0, "taken: %zu bytes", length);
    cr_assert_eq(verify_lines_take(&lines, line, sizeof(line) - 1, &err), 0);
    verify_lines_free(&lines);
}

Test(verify, huge_lines_texts_and_numbers_of_lines_are_refused)
{
    static char huge[VERIFY_LINE_MAX + 2];
    struct verify_lines lines = {0};
    struct error err = {0};
    char text[1024];

    memset(huge, ' ', sizeof(huge));
    memcpy(huge, LINE("plain", "closed", "closed"), strlen(LINE("plain", "closed", "closed")));
    cr_assert_eq(verify_lines_take(&lines, huge, VERIFY_LINE_MAX, &err), 0);
    cr_assert_lt(verify_lines_take(&lines, huge, VERIFY_LINE_MAX + 1, &err), 0);
    snprintf(text, sizeof(text),
             "{\"group\":\"plain\",\"name\":\"%0*d\",\"tried\":\"\",\"expect\":\"closed\",\"saw\":\"closed\","
             "\"detail\":\"\",\"ms\":1}",
             VERIFY_NAME_SIZE, 0);
    cr_assert_lt(take(&lines, text), 0);
    while (lines.count < VERIFY_ATTEMPTS_MAX)
        cr_assert_eq(take(&lines, LINE("plain", "closed", "closed")), 0);
    cr_assert_lt(take(&lines, LINE("plain", "closed", "closed")), 0);
    verify_lines_free(&lines);
}

Test(verify, the_end_counts_and_nothing_comes_behind_it)
{
    struct verify_lines lines = {.wanted = 1U << (unsigned)verify_group_find("plain")};
    struct error err = {0};

    cr_assert_eq(take(&lines, LINE("plain", "closed", "closed")), 0);
    cr_assert_lt(verify_lines_check(&lines, &err), 0);
    cr_assert_lt(take(&lines, "{\"attempts\":0}"), 0);
    cr_assert_lt(take(&lines, "{\"attempts\":2}"), 0);
    cr_assert_lt(take(&lines, "{\"attempts\":1.0}"), 0);
    cr_assert_lt(take(&lines, "{\"attempts\":1,\"attempts\":1}"), 0);
    cr_assert_lt(take(&lines, "{\"attempts\":1,\"more\":1}"), 0);
    cr_assert_lt(verify_lines_check(&lines, &err), 0);
    cr_assert_eq(take(&lines, "{\"attempts\":1}"), 0);
    cr_assert_eq(verify_lines_check(&lines, &err), 0);
    cr_assert_lt(take(&lines, LINE("plain", "closed", "closed")), 0);
    cr_assert_lt(take(&lines, "{\"attempts\":1}"), 0);
    verify_lines_free(&lines);
}

Test(verify, a_group_that_was_asked_for_may_not_be_missing_and_no_other_may_come)
{
    struct verify_lines some = {.wanted = 1U << (unsigned)verify_group_find("raw")};
    struct verify_lines all = {0};
    struct error err = {0};

    cr_assert_lt(take(&some, LINE("plain", "closed", "closed")), 0);
    cr_assert_eq(take(&some, "{\"attempts\":0}"), 0);
    cr_assert_lt(verify_lines_check(&some, &err), 0);
    cr_assert_eq(take(&all, LINE("plain", "closed", "closed")), 0);
    cr_assert_eq(take(&all, "{\"attempts\":1}"), 0);
    cr_assert_lt(verify_lines_check(&all, &err), 0);
    cr_assert_eq(verify_group_find("PLAIN"), -1);
    verify_lines_free(&some);
    verify_lines_free(&all);
}

Test(verify, the_verdict_is_made_of_what_was_expected_and_what_was_seen)
{
    static const struct {
        enum verify_saw expect;
        enum verify_saw saw;
        enum verify_verdict verdict;
    } CASES[] = {
        {VERIFY_CLOSED, VERIFY_CLOSED, VERIFY_VERDICT_OK},
        {VERIFY_OPEN, VERIFY_OPEN, VERIFY_VERDICT_OK},
        {VERIFY_CLOSED, VERIFY_OPEN, VERIFY_VERDICT_LEAK},
        {VERIFY_OPEN, VERIFY_CLOSED, VERIFY_VERDICT_BROKEN},
        {VERIFY_CLOSED, VERIFY_IMPOSSIBLE, VERIFY_VERDICT_IMPOSSIBLE},
        {VERIFY_OPEN, VERIFY_IMPOSSIBLE, VERIFY_VERDICT_BROKEN},
        {VERIFY_EITHER, VERIFY_OPEN, VERIFY_VERDICT_TOLD},
        {VERIFY_EITHER, VERIFY_CLOSED, VERIFY_VERDICT_TOLD},
        {VERIFY_EITHER, VERIFY_IMPOSSIBLE, VERIFY_VERDICT_IMPOSSIBLE},
        {VERIFY_CLOSED, VERIFY_FAILED, VERIFY_VERDICT_BROKEN},
        {VERIFY_OPEN, VERIFY_FAILED, VERIFY_VERDICT_BROKEN},
        {VERIFY_EITHER, VERIFY_FAILED, VERIFY_VERDICT_BROKEN},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct verify_attempt attempt = {.expect = CASES[i].expect, .saw = CASES[i].saw};

        cr_assert_eq(verify_judge(&attempt), CASES[i].verdict, "case %zu", i);
    }
}
