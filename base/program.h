/* SPDX-License-Identifier: Apache-2.0
 *
 * Where this program is: what was built and installed with it is found from there, never by PATH. */
#pragma once

#include "base/error.h"

#include <limits.h>

/* The path of `name` (may have directories) in the directory of the program that runs. That there is such a
 * file is not checked. */
int program_path(const char *name, char ret_path[PATH_MAX], struct error *err);
