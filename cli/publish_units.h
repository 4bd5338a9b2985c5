/* SPDX-License-Identifier: Apache-2.0
 *
 * The systemd units that make a published port: text and names, see publish_units.c. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdio.h>

enum {
    PUBLISH_NAME_SIZE = 64,   /* "sallyport-publish-NETWORK-ADDRESS-PORT.service" and its NUL */
    PUBLISH_DEVICE_SIZE = 96, /* 12 hyphens of 4 characters each, and what stands around them */
};

enum publish_kind {
    PUBLISH_SOCKET,
    PUBLISH_SERVICE,
};

/* The unit's file name. The address is a part of it only where it is not 127.0.0.1. */
void publish_unit_name(const char *network, const struct policy_publish *publish, enum publish_kind kind,
                       char ret_name[PUBLISH_NAME_SIZE]);

/* Whether the file name can be that of a unit of this network (and not of another one, whose name may begin
 * the same). */
bool publish_is_unit_of(const char *network, const char *file_name);

/* systemd's name for the host's end of the network's uplink. */
void publish_device(const char *network, char ret_name[PUBLISH_DEVICE_SIZE]);

/* The first line of every unit of the network, with its newline: what does not begin so is not ours to
 * change. */
void publish_mark(const char *network, char *buffer, size_t size);

/* Writes the unit. `role` is the policy's and has one fixed address; `publish` is one of its. The same policy
 * gives the same bytes. */
void publish_write_unit(FILE *out, const struct policy *policy, const struct policy_role *role,
                        const struct policy_publish *publish, enum publish_kind kind);
