/* SPDX-License-Identifier: Apache-2.0
 *
 * Typed reading of a JSON tree in which every complaint names the place: "FILE: $.roles.agent.reach[1]: why".
 *
 * Invariant: what a function here returned has exactly the type that was asked for; a boolean is no integer
 * and 1.0 is no 1. An object has no key that its reader does not know. */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

struct reader {
    const char *file;
    struct error *err;
};

/* A value's place: a chain on the stack from the value up to "$", which has no parent. */
struct place {
    const struct place *parent;
    const char *key; /* NULL for an element of a list */
    size_t index;
};

/* A key that an object may have. */
struct reader_key {
    const char *name;
    bool required;
};

/* Sets the error "FILE: PLACE: why". Returns -EINVAL. */
int reader_complain(const struct reader *reader, const struct place *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Checks that `value` is an object with no keys but `keys` (the last one has no name) and all that are
 * required. NULL: any keys. The object is not changed (jansson's iterators only do not say so). */
int reader_object(const struct reader *reader, const struct place *at, json_t *value,
                  const struct reader_key *keys);

int reader_string(const struct reader *reader, const struct place *at, const json_t *value, const char **ret);

int reader_integer(const struct reader *reader, const struct place *at, const json_t *value, json_int_t first,
                   json_int_t last, json_int_t *ret);

/* A missing value (NULL) leaves *ret as it is. */
int reader_boolean(const struct reader *reader, const struct place *at, const json_t *value, bool *ret);

/* Checks that `value` is a list of at most `limit` strings. A missing one (NULL) is an empty list. */
int reader_strings(const struct reader *reader, const struct place *at, const json_t *value, size_t limit,
                   size_t *ret_count);
