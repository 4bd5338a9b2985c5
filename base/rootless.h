/* SPDX-License-Identifier: Apache-2.0
 *
 * A user without root, in the user namespace that rootless Podman made for him: there he is root, and Podman
 * runs hooks and runtimes there. His are the containers, their network namespaces and the files of his home;
 * the host's network namespace is not, although he is in it.
 *
 * Invariant: no answer is taken from where a container could have written it. Who the user is the kernel
 * says; his environment says only where his own files are. */
#pragma once

#include <stdbool.h>

/* Whether the caller is such a user: its network namespace belongs to a user namespace above its own. Asked
 * of the kernel once, before the first answer: later the caller may have left that namespace
 * (netns/namespace.h). */
bool rootless(void);

/* The user's own directory for what does not outlive his sessions, $XDG_RUNTIME_DIR as systemd-logind makes
 * it: "run/user/1000", without the slash, for below a root directory. Not by the variable: hooks may have
 * none.
 */
const char *rootless_runtime_directory(void);

/* Where the user's configuration is: $XDG_CONFIG_HOME, or .config in $HOME, as the environment is at the
 * first call: later a hook has none. NULL where neither tells an absolute path. */
const char *rootless_config_home(void);

/* The same from elsewhere, whatever the environment says. */
void rootless_set_config_home(const char *path);
