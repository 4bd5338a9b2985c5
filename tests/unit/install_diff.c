/* SPDX-License-Identifier: Apache-2.0
 *
 * Unified diffs, as diff -u prints them. */
#include "cli/install_diff.h"

#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <string.h>

static void differs(const char *before, const char *after, const char *expected)
{
    cleanup_free char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    diff_print("F", before, before != NULL ? strlen(before) : 0, after, after != NULL ? strlen(after) : 0,
               out);
    fclose(out);
    cr_expect_str_eq(text, expected, "expected <%s>, got <%s>", expected, text);
}

Test(install_diff, same)
{
    differs("a\n", "a\n", "");
    differs("", "", "");
    differs(NULL, NULL, "");
}

Test(install_diff, made_and_removed)
{
    differs(NULL, "a\nb\n", "--- /dev/null\n+++ F\n@@ -0,0 +1,2 @@\n+a\n+b\n");
    differs("a\n", NULL, "--- F\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
    differs("", "a\n", "--- F\n+++ F\n@@ -0,0 +1 @@\n+a\n");
}

Test(install_diff, newline_at_the_end)
{
    differs("a", "a\n", "--- F\n+++ F\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
    differs("a\nb", "c\nb", "--- F\n+++ F\n@@ -1,2 +1,2 @@\n-a\n+c\n b\n\\ No newline at end of file\n");
}

Test(install_diff, three_lines_of_context)
{
    differs("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n",
            "--- F\n+++ F\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n");
}

Test(install_diff, hunks_that_touch_are_one)
{
    differs("a\n1\n2\n3\n4\n5\n6\nb\n", "x\n1\n2\n3\n4\n5\n6\ny\n",
            "--- F\n+++ F\n@@ -1,8 +1,8 @@\n-a\n+x\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+y\n");
    differs("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "x\n1\n2\n3\n4\n5\n6\n7\ny\n",
            "--- F\n+++ F\n@@ -1,4 +1,4 @@\n-a\n+x\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+y\n");
}

Test(install_diff, insertions)
{
    differs("{\n}\n", "{\n  a\n}\n", "--- F\n+++ F\n@@ -1,2 +1,3 @@\n {\n+  a\n }\n");
}
