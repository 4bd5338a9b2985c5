/* SPDX-License-Identifier: Apache-2.0
 *
 * A running dockerd: what it was started with, what it has loaded, and making it load its file again. Nothing
 * here changes anything but by engine_docker_reload. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct engine_docker {
    int pidfd; /* -1: none runs */
    pid_t pid;
    char config[PATH_MAX]; /* its configuration file */
    char socket[PATH_MAX]; /* where it listens */
    bool runtimes_by_flag; /* --add-runtime */
    bool default_by_flag;  /* --default-runtime */
};

void engine_docker_close(struct engine_docker *docker);

/* Finds the dockerd whose number is in `pid_file` (NULL: the usual places) and reads its command line. None
 * running is no error. */
int engine_docker_find(const char *pid_file, struct engine_docker *ret, struct error *err);

/* Fails if the program `path` is not the same file where dockerd looks: a snap's has a root of its own. */
int engine_docker_sees(const struct engine_docker *docker, const char *path, struct error *err);

/* Asks the daemon at the Unix socket for GET `path` and waits for so many milliseconds in all. *ret_body is
 * for the caller to free. */
int engine_docker_get(const char *socket, const char *path, int milliseconds, char **ret_body,
                      size_t *ret_length, struct error *err);

/* Asks the daemon at the Unix socket for GET /info. *ret is a new reference. */
int engine_docker_info(const char *socket, json_t **ret, struct error *err);

/* Makes it read its configuration file again (SIGHUP). When it has done so it does not tell. */
int engine_docker_reload(const struct engine_docker *docker, struct error *err);
