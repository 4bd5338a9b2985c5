/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock that limits are measured by: it neither jumps nor goes back. */
#pragma once

#include <stdint.h>
#include <time.h>

/* Milliseconds since some moment of the past, the same one for every call. */
static inline int64_t clock_milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
