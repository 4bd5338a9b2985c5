/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes as a line of squid's log. What is accepted is printable, bounded, and the bytes that
 * were there, those of the target as they are or escaped. */
#include "cli/squid_log.h"
#include "require.h"

#include <string.h>

static void check_word(const char *word, size_t max)
{
    require(word[0] != '\0' && strlen(word) <= max);
    for (const char *at = word; *at != '\0'; at++)
        require(*at > ' ' && *at <= '~');
}

/* `target` says the bytes, in whatever way, to its end. */
static void check_target(const char *bytes, size_t size, const char *target)
{
    for (size_t i = 0; i < size && *target != '\0'; i++) {
        char escaped[4];
        const bool plain = bytes[i] > ' ' && bytes[i] <= '~';
        const int length =
            snprintf(escaped, sizeof(escaped), plain ? "%c" : "%%%02X", (unsigned char)bytes[i]);

        require(strncmp(target, escaped, strnlen(target, (size_t)length)) == 0);
        target += strnlen(target, (size_t)length);
    }
    require(*target == '\0');
}

/* The line ends in " METHOD TARGET", with what was handed out. */
static void check_end(const char *line, size_t size, const struct squid_log_line *parsed)
{
    const char *blank = memrchr(line, ' ', size);
    const size_t method = strlen(parsed->method);

    require(blank != NULL && (size_t)(blank - line) > method);
    check_target(blank + 1, size - (size_t)(blank + 1 - line), parsed->target);
    require(memcmp(blank - method, parsed->method, method) == 0 && blank[-(ptrdiff_t)method - 1] == ' ');
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
