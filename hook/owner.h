/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose a namespace is that a container joins (netns/maker.h). What any user of the host can make, with
 * nobody in it, must not become a container's: he would take guard and routes down, and link it to his own.
 */
#pragma once

#include "base/error.h"

#include <sys/types.h>

/* Refuses a process whose user namespace, or one above up to our own, was made by another user than the
 * caller, and one whose network namespace belongs to a third user namespace. The descriptors stay the
 * caller's. */
int owner_check(pid_t pid, int pidfd, int netns, struct error *err);
