/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose a user namespace is. Who made it, and who made one above it, has every power in it, and over the
 * other namespaces that belong to it, from wherever he is (user_namespaces(7), "Capabilities"). Any user of
 * the host can make one. */
#pragma once

#include "base/error.h"

#include <sys/types.h>

/* Looks at who made the user namespace `users`, and each above it up to `own`, the caller's. *ret is the
 * first who is another user than the caller; if there is none, the caller (geteuid(2)), as it is for `own`
 * itself. The descriptors stay the caller's. Fails for one that is not below `own`. */
int maker_find(int users, int own, uid_t *ret, struct error *err);
