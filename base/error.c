/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef error_set /* the functions, also where an analyser reads */
#undef error_advise
#undef error_prefix

static int error_value(const struct error *err)
{
    return err->number != 0 ? -err->number : -EINVAL;
}

/* C0, DEL and, as UTF-8, C1: terminals obey all of them. */
static void replace_control_characters(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at != '\0'; at++) {
        if (*at < ' ' || *at == 0x7f)
            *at = '?';
        else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
            at[0] = at[1] = '?';
    }
}

static void append(struct error *err, const char *text)
{
    size_t used = strlen(err->text);

    snprintf(err->text + used, sizeof(err->text) - used, "%s", text);
}

int error_set(struct error *err, int number, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    err->number = number;
    if (number != 0) {
        char description[128];

        append(err, ": ");
        append(err, strerror_r(number, description, sizeof(description)));
    }
    replace_control_characters(err->text);
    return error_value(err);
}

int error_advise(struct error *err, const char *format, ...)
{
    char advice[sizeof(err->text)];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(advice, sizeof(advice), format, arguments);
    va_end(arguments);
    append(err, "; ");
    append(err, advice);
    replace_control_characters(err->text);
    return error_value(err);
}

int error_prefix(struct error *err, const char *format, ...)
{
    char text[sizeof(err->text)];
    va_list arguments;

    memcpy(text, err->text, sizeof(text));
    va_start(arguments, format);
    vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    append(err, ": ");
    append(err, text);
    replace_control_characters(err->text);
    return error_value(err);
}
