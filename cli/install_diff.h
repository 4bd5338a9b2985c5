/* SPDX-License-Identifier: Apache-2.0
 *
 * A unified diff of two texts, as diff -u prints it: for people who want to see what would be changed. */
#pragma once

#include <stddef.h>
#include <stdio.h>

/* Prints the difference of `before` and `after` with three lines of context; nothing if they are the same.
 * NULL stands for a file that does not exist. */
void diff_print(const char *path, const char *before, size_t before_length, const char *after,
                size_t after_length, FILE *out);
