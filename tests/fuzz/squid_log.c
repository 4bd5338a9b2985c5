/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes as a line of squid's log. What is accepted is printable, bounded, and exactly the
 * bytes that were there. */
#include "cli/squid_log.h"
#include "require.h"

#include <string.h>

static void check_word(const char *word, size_t max)
{
    require(word[0] != '\0' && strlen(word) <= max);
    for (const char *at = word; *at != '\0'; at++)
        require(*at > ' ' && *at <= '~');
}

/* The line ends in " METHOD TARGET", with the bytes that were handed out. */
static void check_end(const char *line, size_t size, const struct squid_log_line *parsed)
{
    const size_t target = strlen(parsed->target);
    const size_t method = strlen(parsed->method);

    require(size > target + method + 2 && size <= SQUID_LOG_LINE_MAX);
    require(memcmp(line + size - target, parsed->target, target) == 0);
    require(line[size - target - 1] == ' ');
    require(memcmp(line + size - target - 1 - method, parsed->method, method) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *line = (const char *)data;
    struct squid_log_line parsed;

    if (squid_log_parse(line, size, &parsed)) {
        check_word(parsed.denial, SQUID_LOG_DENIAL_MAX);
        check_word(parsed.method, SQUID_LOG_METHOD_MAX);
        check_word(parsed.target, SQUID_LOG_TARGET_MAX);
        check_end(line, size, &parsed);
        require(parsed.seconds >= 0 && parsed.milliseconds < 1000 && parsed.status < 1000);
        require(parsed.cut == (strlen(parsed.target) == SQUID_LOG_TARGET_MAX));
        squid_log_refused(&parsed);
    }
    return 0;
}
