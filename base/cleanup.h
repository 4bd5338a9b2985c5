/* SPDX-License-Identifier: Apache-2.0
 *
 * Resources that release themselves at the end of their scope, so that no error path can forget one.
 * A cleanup variable is initialised where it is declared: -1 or NULL when it owns nothing yet. */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close_at(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_free_at(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cleanup_file_at(FILE **file)
{
    if (*file != NULL)
        fclose(*file);
}

static inline void cleanup_directory_at(DIR **directory)
{
    if (*directory != NULL)
        closedir(*directory);
}

#define cleanup_close __attribute__((cleanup(cleanup_close_at)))
#define cleanup_free __attribute__((cleanup(cleanup_free_at)))
#define cleanup_file __attribute__((cleanup(cleanup_file_at)))
#define cleanup_directory __attribute__((cleanup(cleanup_directory_at)))

/* Gives the descriptor away: the variable owns nothing afterwards. */
static inline int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

/* Gives the pointer away: the variable owns nothing afterwards. */
#define take_pointer(variable)                    \
    ({                                            \
        __typeof__(variable) taken_ = (variable); \
        (variable) = NULL;                        \
        taken_;                                   \
    })

#define array_size(array) (sizeof(array) / sizeof((array)[0]))
