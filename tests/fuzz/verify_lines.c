/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes as what the probe says. A line that is refused changes nothing; one that is taken has
 * nothing in it that a terminal would take for more than text. */
#include "cli/verify_lines.h"
#include "require.h"

#include <string.h>

static void check_text(const char *text, size_t room)
{
    size_t length = strnlen(text, room);

    require(length < room);
    for (size_t i = 0; i < length; i++)
        require((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static void check_attempt(const struct verify_attempt *attempt)
{
    require(verify_group_name(attempt->group) != NULL);
    require(attempt->name[0] != '\0');
    check_text(attempt->name, sizeof(attempt->name));
    check_text(attempt->tried, sizeof(attempt->tried));
    check_text(attempt->detail, sizeof(attempt->detail));
    require(attempt->expect != VERIFY_IMPOSSIBLE && attempt->expect != VERIFY_FAILED);
    require(attempt->milliseconds >= 0);
    require(verify_judge(attempt) < VERIFY_VERDICTS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verify_lines lines = {.attempts = NULL};
    const char *at = (const char *)data;
    const char *end = at + size;
    struct error err = {.number = 0};

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline != NULL ? newline : end) - at);
        size_t count = lines.count;
        bool ended = lines.ended;

        if (verify_lines_take(&lines, at, length, &err) < 0)
            require(lines.count == count && lines.ended == ended && err.text[0] != '\0');
        else
            require(!ended && (lines.count == count + 1) != (lines.ended && lines.count == count));
        if (lines.count > count)
            check_attempt(&lines.attempts[count]);
        at += length + 1;
    }
    if (verify_lines_check(&lines, &err) == 0)
        require(lines.ended);
    verify_lines_free(&lines);
    return 0;
}
