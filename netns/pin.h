/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a hub is found: bound to /run/netns/sallyport-<network>, like `ip netns add` does, so that `ip netns
 * exec` works for an administrator; and the lock under which that changes.
 *
 * There is one hub per network and machine, whatever mount namespace an engine lives in (snap, systemd's
 * MountFlags): where pid 1's mount namespace can be told apart from ours, everything here happens in that
 * one. Where it cannot be read (a nested container) ours is all there is.
 *
 * A user without root (base/rootless.h) has hubs of his own, in $XDG_RUNTIME_DIR/sallyport/netns and in the
 * mount namespace of Podman's that is to him what pid 1's is to the machine: the runtime, too, may be started
 * in another one.
 *
 * Invariant: what pin_open returns is a network namespace. A file that is none is what a crash or a reboot
 * left behind, and counts as nothing. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stdbool.h>

/* Opens the hub of the network. Returns a descriptor, or -ENOENT if there is none. */
int pin_open(const char *network, struct error *err);

/* Binds the network namespace that the caller is in. Moves the caller to pid 1's mount namespace: for a
 * child that ends soon (netns/child.h). A file without namespace is replaced; a namespace is -EEXIST. */
int pin_set(const char *network, struct error *err);

/* Unmounts and unlinks. None is not an error. Leaves the caller where it is. */
int pin_remove(const char *network, struct error *err);

/* Calls `each` with the name of every network that has a hub; a negative return ends it and is returned. */
int pin_each(int (*each)(const char *network, void *data), void *data, struct error *err);

/* Takes the lock of all hubs: exclusively to make, change or remove one; shared to attach to one, so that
 * none goes away or changes its policy meanwhile. Waits for at most 30 s. Returns a descriptor: closing it
 * unlocks. */
int pin_lock(bool exclusive, struct error *err);
