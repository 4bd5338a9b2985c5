/* SPDX-License-Identifier: Apache-2.0
 *
 * `sallyport check`: what cannot be made bad on a test machine. */
#include "cli/check.h"

#include <criterion/criterion.h>
#include <string.h>

Test(check, why_nothing_can_be_traced)
{
    cr_assert_str_eq(check_trace_reason(NULL, NULL), "");
    cr_assert_str_eq(check_trace_reason("0\n", "0 0\n"), "");
    cr_assert_str_eq(check_trace_reason("2\n", NULL), "");
    cr_assert_str_eq(check_trace_reason("", ""), "");
    cr_assert(strstr(check_trace_reason("3\n", NULL), "Yama") != NULL);
    cr_assert(strstr(check_trace_reason("3\n", "1 1\n"), "/etc/sysctl.d") != NULL);
    cr_assert(strstr(check_trace_reason("1\n", "1 1\n"), "setsebool -P deny_ptrace off") != NULL);
    /* The second number is what will be, the first what is. */
    cr_assert_str_eq(check_trace_reason("1\n", "0 1\n"), "");
}
