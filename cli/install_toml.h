/* SPDX-License-Identifier: Apache-2.0
 *
 * A strict reader of TOML 1.0, for the configuration of containerd and Podman: into jansson's values, because
 * that is what the rest of this program works with. No C library for TOML is in Debian 12.
 *
 * Invariant: what it returns is what the engines' own readers see. A text that it does not understand to the
 * last byte is refused, with its line; that includes dates, which have no place in these files. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stddef.h>
#include <stdio.h>

/* Parses `text`; `name` stands in messages. *ret is a new reference to an object. */
int toml_parse(const char *text, size_t length, const char *name, json_t **ret, struct error *err);

/* Prints a value as TOML, on one line. */
void toml_print(const json_t *value, FILE *out);

/* Prints a key: bare where it can be, else quoted. */
void toml_print_key(const char *key, FILE *out);
