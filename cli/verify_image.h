/* SPDX-License-Identifier: Apache-2.0
 *
 * The image of the throw-away container: a tar archive of one file, the probe. Nothing is pulled, and nothing
 * is in it that could help or hinder an attempt. */
#pragma once

#include "base/error.h"

/* Writes the archive, in which the program `path` is /probe. Returns a descriptor in memory, or a negative
 * errno value. */
int verify_image_make(const char *path, struct error *err);
