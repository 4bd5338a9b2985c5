/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of the runtimes that dockerd has loaded seals a container in a role. Only the name counts: where it
 * leads is what verify is there to find out. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "cli/install.h"
#include "hook/selection.h"

#include <stdbool.h>

/* The runtime that pins the role; else `sallyport`, which takes network and role from annotations (Docker 24
 * and later), or the defaults where there are none. `info`: what GET /info answers. *ret_annotated: the
 * annotations are needed. */
int verify_docker_runtime(const json_t *info, const struct selection *pin,
                          char ret_runtime[INSTALL_NAME_SIZE], bool *ret_annotated, struct error *err);
