/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks that Podman attaches after every hook has run: those of containers with a user namespace. The
 * runtime finds them at start; hooks alone must refuse such a container when Podman still asks them, at
 * precreate. That a network will come shows by the resolv.conf that Podman mounts for it, and not with
 * --network none. It does not show with --dns none: then the guard is what stands (SECURITY.md). */
#pragma once

#include "base/error.h"

#include <jansson.h>

/* Refuses a config, as Podman made it, whose network would come late. */
int refuse_late_network(const json_t *config, struct error *err);
