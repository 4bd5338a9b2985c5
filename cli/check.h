/* SPDX-License-Identifier: Apache-2.0
 *
 * What `sallyport check` looks at, one function per matter, and the list that they write to. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>

enum check_level {
    CHECK_OK,
    CHECK_WARNING, /* something will not work that not everybody needs */
    CHECK_FAILED,  /* no container will start, or not the way it should */
};

struct checks {
    json_t *list; /* of {level, what, text} */
    bool failed;
};

/* Adds a line. `what`: what was looked at; `text`: "" or why it is not good and what to do. */
void check_add(struct checks *checks, enum check_level level, const char *what, const char *text);

/* Adds a line by a function's result: fine, or `level` with the error's text. */
void check_add_result(struct checks *checks, enum check_level level, const char *what, int result,
                      const struct error *err);

/* Makes what a hub and a member are made of, in a namespace that ends with the check. */
void check_kernel(struct checks *checks);

/* Loads every policy file. `*ret_proxy_at_host`: whether a network has its proxy on this host. */
void check_policies(struct checks *checks, bool *ret_proxy_at_host);
