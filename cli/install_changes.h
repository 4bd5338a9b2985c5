/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan of changes to files and links: shown as a diff, or made, all or none.
 *
 * Invariant: what was read is what is replaced. A file that somebody else has changed since it was planned, a
 * link in a file's place and a file that is not root's are refused, and a failure half way takes back what
 * was done. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CHANGES_MAX = 600 };

struct change {
    char *path;
    char *before; /* contents of the file, target of the link; NULL: does not exist */
    char *after;  /* NULL: is removed */
    size_t before_length;
    size_t after_length;
    bool link;
    bool made; /* by changes_apply, so far */
};

struct changes {
    struct change items[CHANGES_MAX];
    size_t count;
};

void changes_free(struct changes *changes);

/* Reads a file that an engine trusts. *ret_text is NULL if there is none, otherwise for the caller to free. A
 * link, and a file that another user than root owns or may write, are errors. */
int changes_read(const char *path, char **ret_text, size_t *ret_length, struct error *err);

/* The same for a file that is only read: where a link leads is good, too. */
int changes_read_target(const char *path, char **ret_text, size_t *ret_length, struct error *err);

/* Plans that the file, which now holds `before` (NULL: does not exist), holds `after` (NULL: is removed). The
 * texts are copied. Nothing is planned if they are the same. */
int changes_file(struct changes *changes, const char *path, const char *before, size_t before_length,
                 const char *after, size_t after_length, struct error *err);

/* Plans that `path` is a symbolic link to `target`; NULL: that it does not exist. Anything but a link in its
 * place is an error. */
int changes_link(struct changes *changes, const char *path, const char *target, struct error *err);

/* The plan as a unified diff. */
void changes_show(const struct changes *changes, FILE *out);

/* Makes the changes in their order. Directories are made where they are missing. */
int changes_apply(struct changes *changes, struct error *err);
