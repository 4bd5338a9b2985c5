/* SPDX-License-Identifier: Apache-2.0
 *
 * What targets that edit JSON ask of the result. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* Parses bytes as documents of others are; NULL if they are none. */
json_t *fuzz_parse(const void *bytes, size_t size);

/* Whether the document comes back from its text as it is, and as the same text. */
bool fuzz_survives_printing(const json_t *document);

/* Whether every key of `before` is in `after`, with the same value but for those in `changed`
 * (NULL-terminated). */
bool fuzz_keeps_keys(const json_t *before, const json_t *after, const char *const *changed);
