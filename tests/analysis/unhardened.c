/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that uses what the stack protector and _FORTIFY_SOURCE look after. tests/analysis/run builds it
 * with one protection less each time, and `hardened` has to say which. */
#include <stdio.h>

int main(int argc, char **argv)
{
    char text[100];

    snprintf(text, (size_t)argc * 50, "%s", argv[0]);
    return puts(text) < 0;
}
