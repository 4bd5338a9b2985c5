/* SPDX-License-Identifier: Apache-2.0
 *
 * One spelling for each key. Runtimes in Go take a key in any case, and two characters that are no ASCII for
 * the letters s and k (encoding/json): runc reads "Proceſs" as "process" where this program, and crun, see an
 * unknown key. A config that two readers understand differently cannot be checked. */
#pragma once

#include "base/error.h"

#include <jansson.h>

/* Refuses a config with a key that Go would take for one of those that matter here. What annotations are
 * called is their author's business. */
int spelling_check(const json_t *config, struct error *err);
