/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files: read with a limit, replaced atomically. Nothing here follows a symbolic link in the
 * last component, and every descriptor is close-on-exec. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* The path of what the descriptor is, PATH_MAX bytes at most. `name` stands in messages. */
int file_path(int fd, const char *name, char *ret_path, struct error *err);

/* Whether both are of one file, directory or namespace. */
bool file_same(const struct stat *a, const struct stat *b);

/* Reads `fd` to its end. `name` stands in messages. More than `limit` bytes is an error (EFBIG).
 *
 * *ret_text is a NUL-terminated string for the caller to free; it may hold NUL bytes, *ret_length tells. */
int file_read_fd(int fd, const char *name, size_t limit, char **ret_text, size_t *ret_length,
                 struct error *err);

/* Opens `name` in the directory `dirfd` (AT_FDCWD for a path) and reads it as file_read_fd does.
 * Anything but a regular file is an error. */
int file_read_at(int dirfd, const char *name, size_t limit, char **ret_text, size_t *ret_length,
                 struct error *err);

/* Replaces `name` in `dirfd` by `text`: temporary file in the same directory, same owner and mode as the
 * old file (`mode`, and the caller's ids, where there was none), fsync, rename. Leaves nothing behind on
 * failure. A file that already has exactly this content is not touched. */
int file_replace_at(int dirfd, const char *name, const char *text, size_t length, mode_t mode,
                    struct error *err);

/* Writes all of `text` to `fd`. Returns 0 or a negative errno value. */
int file_write_all(int fd, const char *text, size_t length);
