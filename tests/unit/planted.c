/* SPDX-License-Identifier: Apache-2.0
 *
 * One wrong thing in each case, none of which an assertion sees: what sanitizers and valgrind are for.
 * tests/run has failed where they let one pass. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static volatile int one = 1; /* so that no compiler sees it coming */

Test(planted, overflow)
{
    int number = INT_MAX;

    number += one;
    cr_assert_neq(number, 3);
}

Test(planted, after_free)
{
    char *memory = calloc(1, 16);

    free(memory);
    cr_assert_neq(memory[one], 3);
}

/* What nobody has written goes to the kernel. */
Test(planted, uninitialised)
{
    char *memory = malloc(16);
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    cr_assert_eq(write(fd, memory, 1), 1);
    close(fd);
    free(memory);
}

Test(planted, leak)
{
    char *volatile memory = calloc(1, 16);

    cr_assert_not_null(memory);
    memory = NULL;
}
