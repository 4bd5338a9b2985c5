/* SPDX-License-Identifier: Apache-2.0
 *
 * Editing a bundle on disk, for `sallyport bundle` and for the runtime's create and run: checked by what can
 * be known before a process exists, edited (hook/edit.h), and replaced atomically. Doing it twice changes
 * nothing. */
#pragma once

#include "base/error.h"
#include "hook/selection.h"

/* Edits the config.json of the bundle in `directory`. On failure it is what it was. */
int bundle_edit(const char *directory, const struct selection *pin, struct error *err);
