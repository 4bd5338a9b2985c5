/* SPDX-License-Identifier: Apache-2.0
 *
 * What the analysers have to find (tests/analysis/run): one that says nothing here is not looking. */
#include <stdlib.h>

int null_dereference(const int *number);
int use_after_free(void);

int null_dereference(const int *number)
{
    if (number == NULL)
        return *number;
    return 0;
}

int use_after_free(void)
{
    int *number = malloc(sizeof(*number));

    if (number == NULL)
        return 0;
    *number = 1;
    free(number);
    return *number;
}
