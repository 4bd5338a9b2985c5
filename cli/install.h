/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport install: what an engine's configuration has to say for containers to be sealed, put there and
 * taken out again. Each engine plans the changes of its files (install_docker.c, install_podman.c,
 * install_containerd.c); nothing is written before the plan is complete (install_changes.h).
 *
 * Invariant: there are no records of what was installed. The engine's own files are read back, and what they
 * say is ours only if both name and path are: a runtime `sallyport` that is another program is somebody
 * else's. */
#pragma once

#include "base/error.h"
#include "cli/install_changes.h"
#include "policy/policy.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define INSTALL_RUNTIME "sallyport" /* the runtime that lets annotations choose network and role */

/* The links that pin a network and a role, in a directory for each engine: taking one engine out must not
 * take a link away from another. sallyport-runtime reads both from the name by which it was called. */
#define INSTALL_LINKS SALLYPORT_CONFIGURATION "/runtimes"

#define INSTALL_PODMAN_CONFIG "/etc/containers/containers.conf.d/50-sallyport.conf"

enum {
    INSTALL_ROLES_MAX = 256,
    INSTALL_FILE_MAX = 4 * 1024 * 1024,            /* bytes */
    INSTALL_NAME_SIZE = 2 * POLICY_NAME_SIZE + 16, /* "sallyport-NETWORK-ROLE" */
};

struct install_role {
    char network[POLICY_NAME_SIZE];
    char role[POLICY_NAME_SIZE];
};

struct install_roles {
    struct install_role items[INSTALL_ROLES_MAX];
    size_t count;
};

struct install_request {
    const char *runtime; /* path of sallyport-runtime */
    const char *hook;    /* path of sallyport-hook */
    struct install_roles roles;
    const struct install_role
        *mandatory;         /* Podman: seal every container, in this role; NULL: annotated ones */
    const char *config;     /* the engine's file, NULL for where it is looked for */
    const char *host;       /* Docker: unix:// address to ask, NULL for the daemon's own */
    const char *pid_file;   /* Docker: NULL for where it is looked for */
    char written[PATH_MAX]; /* containerd: the file that was planned, for install_containerd_in_force */
    bool default_runtime;
    bool reload;
    bool undo;
    bool dry_run;
};

/* Each plans what has to change for `request`, and says on standard output what one has to know. The roles
 * that are taken out, or stay, are added to the request's. */
int install_podman(struct install_request *request, struct changes *changes, struct error *err);
int install_containerd(struct install_request *request, struct changes *changes, struct error *err);
int install_docker(struct install_request *request, struct changes *changes, struct error *err);

/* After the changes were made: whether they are in force, or what has to be done for it, on standard output.
 */
int install_docker_in_force(const struct install_request *request, struct error *err);
int install_podman_in_force(const struct install_request *request, struct error *err);
int install_containerd_in_force(const struct install_request *request, struct error *err);

/* Whether the daemon that runs has read what is in the files for the request's roles. None running is "yes":
 * it will when it starts. */
int install_docker_is_loaded(const struct install_request *request, bool *ret, struct error *err);
int install_containerd_is_loaded(const struct install_request *request, bool *ret, struct error *err);

/* Whether Sallyport's hook is in a directory that Podman reads. */
int install_podman_has_hook(bool *ret, struct error *err);

/* Adds the role unless it is there. Fails if its runtime's name is another role's already ("a-b" of "c" and
 * "b-c" of "a" make one name), and when there are too many. */
int install_roles_add(struct install_roles *roles, const char *network, const char *role, struct error *err);

/* "sallyport-NETWORK-ROLE"; the buffer holds INSTALL_NAME_SIZE characters. Returns it. */
const char *install_runtime_name(const struct install_role *role, char *buffer);

/* The path of the role's link for `engine`; the buffer holds PATH_MAX characters. Returns it. */
const char *install_link_path(const char *engine, const struct install_role *role, char *buffer);

/* The role of a link's path as install_link_path makes it for `engine`; false if it is none. */
bool install_link_parse(const char *engine, const char *path, struct install_role *ret);

/* Plans the links of all roles, or that they go. */
int install_plan_links(const char *engine, const struct install_request *request,
                       const struct install_roles *roles, struct changes *changes, struct error *err);
