/* SPDX-License-Identifier: Apache-2.0
 *
 * The seal: the last look at a container, between the runtime's create and its start.
 *
 * Engines may change the network after every create-time hook has run: Docker 28 and later attach theirs only
 * then, and so does Podman with a user namespace (design, fact 1). So what was made at create is not believed
 * any more. What was added is removed, or refused, and link, guard, routes, capabilities and filter are read
 * back from the kernel. Nothing is made here: a container that was never attached is refused. */
#pragma once

#include "base/error.h"
#include "hook/attach.h"

/* Seals the created container of the request. Works in a child process: this one keeps its capabilities and
 * stays where it is. On failure the container must not be started. */
int seal(const struct attach_request *request, struct error *err);
