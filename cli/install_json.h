/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of a JSON file put in and taken out in its text, not by writing the document anew: order,
 * indentation, spelling of numbers, the newline at the end stay as their owner wrote them, and what is put in
 * and taken out again leaves no trace (but that an object that was empty has no blanks in it any more).
 *
 * Invariant: the text is parsed strictly first, and the changed text is parsed again and compared with the
 * change made to the document: a mistake in the editing of text is an error, never a file. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stddef.h>

/* Parses the text of `name` (for messages), an object. Every text here has a NUL behind its end. What people
 * put into such files although it is no JSON, comments and a byte order mark, is named. *ret is a new
 * reference. */
int install_json_parse(const char *text, size_t length, const char *name, json_t **ret, struct error *err);

/* Sets `key` in the root (`object` NULL), or in the root's member `object`, to `value`, one line of JSON. The
 * key must not be there; the object must be. *text is replaced. */
int install_json_add(char **text, size_t *length, const char *object, const char *key, const char *value,
                     struct error *err);

/* Takes `key` out; it must be there. */
int install_json_remove(char **text, size_t *length, const char *object, const char *key, struct error *err);
