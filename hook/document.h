/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON documents that belong to somebody else: parsed strictly (no duplicate keys, nothing behind the end,
 * bounded depth) and written back without losing anything, unsigned 64-bit integers included: OCI configs
 * have them (RLIM_INFINITY) and jansson's integers are signed. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <jansson.h>
#include <stddef.h>

/* Parses an object. `name` stands in messages. *ret is a new reference. An integer beyond the signed 64-bit
 * range becomes a string that document_dump writes back as the same integer. */
int document_parse(const char *text, size_t length, const char *name, json_t **ret, struct error *err);

/* The document as compact text with a newline at its end, for the caller to free. The same document always
 * gives the same text. */
int document_dump(const json_t *document, char **ret_text, size_t *ret_length, struct error *err);

/* The object or array at `key`, made (and put there) if absent or null; NULL if something else is in its
 * place or on lack of memory. Borrowed. */
json_t *document_object(json_t *parent, const char *key);
json_t *document_array(json_t *parent, const char *key);
