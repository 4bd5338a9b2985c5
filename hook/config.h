/* SPDX-License-Identifier: Apache-2.0
 *
 * A container's config.json: loading it from the bundle, and the few questions that more than one file asks.
 */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

#define CONFIG_NAME "config.json"

enum { CONFIG_SIZE_MAX = 4 * 1024 * 1024 };

/* Opens the bundle directory and loads its config.json. *ret_bundle is a descriptor for the caller, *ret a
 * new reference. */
int config_load(const char *bundle, int *ret_bundle, json_t **ret, struct error *err);

/* The two halves of it: the text of the bundle's config.json, for the caller to free; and what is in such a
 * text, with its types checked. */
int config_read(const char *bundle, int *ret_bundle, char **ret_text, size_t *ret_length, struct error *err);
int config_parse(const char *text, size_t length, json_t **ret, struct error *err);

/* Checks that the parts of the config that this program reads have the types of the runtime-spec, so that
 * nothing that is asked later can be answered "absent" because it was malformed, or spelled so that only the
 * runtime understands it (hook/spelling.h). */
int config_check_types(const json_t *config, struct error *err);

/* The entry of linux.namespaces of that type ("network"), NULL if there is none: the runtime's own is used.
 * Borrowed. */
const json_t *config_namespace(const json_t *config, const char *type);

/* Whether the container has a user namespace, new or joined. That it is not the host's is checked on the
 * process. */
bool config_has_user_namespace(const json_t *config);

/* Whether the config's user namespace, if it makes one, maps an id to the host's root: then being root in it
 * is being root, wherever the kernel asks for an id and not for a capability. */
bool config_maps_host_root(const json_t *config);
