/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parser says to policy files: for tests/engines/schema.py, which asks it and the schema the same.
 *
 * Reads files from standard input, each with a NUL behind it, and prints a line for each: "accepted", or the
 * message with which it is refused, which begins with "FILE: ". */
#include "base/cleanup.h"
#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    cleanup_free char *text = NULL;
    size_t size = 0;
    ssize_t length = 0;

    while ((length = getdelim(&text, &size, '\0', stdin)) > 0) {
        struct policy policy;
        struct error err = {0};

        if (policy_parse(text, (size_t)length - 1, "FILE", "judged", &policy, &err) < 0) {
            puts(err.text);
            continue;
        }
        policy_free(&policy);
        puts("accepted");
    }
    return 0;
}
