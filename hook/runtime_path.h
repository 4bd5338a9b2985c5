/* SPDX-License-Identifier: Apache-2.0
 *
 * Which runtime stands behind us. Never by PATH: an engine's environment is not an administrator's word. */
#pragma once

#include "base/error.h"

#include <limits.h>

/* What an administrator makes to choose another one for all who do not use --runtime: a link to it. */
#define RUNTIME_LINK SALLYPORT_CONFIGURATION "/runtime"

/* The runtime's path: `chosen` (--runtime) if not NULL, else where RUNTIME_LINK leads, else runc or crun
 * where distributions put them. Refuses what is no program, and this program itself: it would call itself for
 * ever. */
int runtime_path_find(const char *chosen, char ret_path[PATH_MAX], struct error *err);
