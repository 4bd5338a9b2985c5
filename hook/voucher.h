/* SPDX-License-Identifier: Apache-2.0
 *
 * A seccomp profile that was composed here is known again by its text. Where sallyport edits a config, its
 * hook in the config gets a checksum of the profile's text; whoever reads the config later finds the profile
 * as it was and need not parse it and work out again what it allows. That is most of what an attach would
 * cost (of a config of 25 KB: 2.4 of 5.7 ms).
 *
 * The checksum notices a tool that exchanges the profile after us. It is no signature, and need not be one:
 * it stands in the file that it speaks of, among hooks that run as root. Whoever can write there owns the
 * host. */
#pragma once

#include "base/error.h"
#include "seccomp/seccomp.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define VOUCHER_VARIABLE "SALLYPORT_PROFILE="

enum { VOUCHER_SIZE = 80 };

/* Makes the element of the hook's `env` for a profile that implies R under these options, as document_dump
 * (hook/document.h) will write it. */
int voucher_make(const json_t *profile, const struct seccomp_options *options, char ret[VOUCHER_SIZE],
                 struct error *err);

/* Like config_load (hook/config.h), but where the profile is vouched for, linux.seccomp of *ret is an opaque
 * value: for voucher_implies, and nobody else. The config is not for writing back. */
int voucher_load(const char *bundle, int *ret_bundle, json_t **ret, struct error *err);

/* Whether the profile of a config that either of the two has loaded implies R under these options. */
bool voucher_implies(const json_t *config, const struct seccomp_options *options);

/* Finds linux.seccomp in the text of a config: *ret_start is its first character, a brace, and *ret_length
 * reaches to the brace that closes it. False where it is not found. If the text with `null` in that place is
 * a config, and what was found is an object, then the whole is the one with the other in it. */
bool voucher_find_profile(const char *text, size_t length, size_t *ret_start, size_t *ret_length);
