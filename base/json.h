/* SPDX-License-Identifier: Apache-2.0
 *
 * jansson's references, released at the end of their scope like every other resource (base/cleanup.h). */
#pragma once

#include <jansson.h>

static inline void cleanup_json_at(json_t **json)
{
    json_decref(*json);
}

#define cleanup_json __attribute__((cleanup(cleanup_json_at)))
