/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices that carry packets, write to disks, or are whole machines: a container may neither get such a node
 * nor the right to open one that its image brings along. */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <sys/stat.h>

/* Which of these devices the node is (borrowed, static), or NULL. Its number decides, not its name. */
const char *devices_find(const struct stat *node);

/* The path of such a device below the directory (or where there would be one), or NULL. Borrowed, static. */
const char *devices_below(const struct stat *directory);

/* Refuses the config if `linux.devices` makes such a node or a disk's, or a rule of `linux.resources.devices`
 * opens one. */
int devices_check(const json_t *config, struct error *err);

/* Puts a rule that denies all devices before those of the config, unless it has one: crun denies nothing that
 * no rule denies. */
int devices_deny_others(json_t *config, struct error *err);

/* The refusal: `what` is `device`. Returns a negative value. */
int devices_refuse(const char *what, const char *device, struct error *err);
