/* SPDX-License-Identifier: Apache-2.0
 *
 * Docker: the daemon that `sallyport install docker` would find, asked by the distribution's client, with the
 * runtime that this daemon has loaded for the role. */
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/engine_docker.h"
#include "cli/verify_docker_runtime.h"
#include "cli/verify_engine.h"

#include <errno.h>
#include <stdio.h>

static int find_daemon(struct verify_container *container, json_t **ret_info, struct error *err)
{
    struct engine_docker docker;
    int result = engine_docker_find(NULL, &docker, err);

    if (result < 0)
        return result;
    if (docker.pidfd < 0) {
        error_set(err, 0, "no dockerd runs on this host");
        return error_advise(err, "start it");
    }
    engine_docker_close(&docker);
    if ((size_t)snprintf(container->address, sizeof(container->address), "unix://%s", docker.socket) >=
        sizeof(container->address))
        return error_set(err, ENAMETOOLONG, "connect to dockerd at %.64s", docker.socket);
    return engine_docker_info(docker.socket, ret_info, err);
}

static int find(struct verify_container *container, struct error *err)
{
    cleanup_json json_t *info = NULL;
    int result = verify_program_find("docker", container->program, err);

    if (result == 0)
        result = find_daemon(container, &info, err);
    if (result == 0)
        result = verify_docker_runtime(info, &container->pin, container->runtime, &container->annotated, err);
    if (result == 0)
        verify_client_way(container);
    return result;
}

/* An empty configuration: the user's may name another daemon, plugins, and proxies that go into every
 * container. */
static int make(struct verify_container *container, const char *const words[], struct error *err)
{
    words_add(&container->client, container->program, "--host", container->address, "--config",
              container->directory, NULL);
    words_add(&container->options, "--runtime", container->runtime, NULL);
    return verify_client_make(container, words, err);
}

const struct verify_engine verify_engine_docker = {"docker", find, make, verify_client_remove};
