/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/finding.h"

#include <stdarg.h>
#include <stdio.h>

void finding_add(struct findings *findings, const char *kind, const char *format, ...)
{
    struct finding *finding = NULL;
    va_list arguments;

    if (findings->count == FINDINGS_MAX) {
        findings->left_out++;
        return;
    }
    finding = &findings->list[findings->count++];
    finding->kind = kind;
    va_start(arguments, format);
    vsnprintf(finding->text, sizeof(finding->text), format, arguments);
    va_end(arguments);
    for (char *at = finding->text; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
}
