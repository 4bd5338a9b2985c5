/* SPDX-License-Identifier: Apache-2.0
 *
 * Podman, by the strongest way that is installed for the role: the runtime that pins it, the runtime that
 * takes it from annotations, or hooks alone. */
#include "base/cleanup.h"
#include "cli/install.h"
#include "cli/verify_engine.h"

#include <stdio.h>
#include <string.h>

/* Whether Podman knows the runtime, by whatever file: it is asked. Returns 1 or 0, or a negative errno value.
 */
static int knows(const char *program, const char *runtime, struct error *err)
{
    struct words words = {0};
    struct error answer = {0};
    int result = 0;

    words_add(&words, program, "--runtime", runtime, "ps", "--quiet", NULL);
    result = command_run(&words, -1, NULL, &answer);
    if (result == 0)
        return 1;
    if (strstr(answer.text, runtime) != NULL && strstr(answer.text, "not found") != NULL)
        return 0;
    *err = answer;
    return result;
}

/* 1: one of the runtimes is there, and chosen. */
static int choose_runtime(struct verify_container *container, struct error *err)
{
    struct install_role role;
    int known = 0;

    snprintf(role.network, sizeof(role.network), "%s", container->pin.network);
    snprintf(role.role, sizeof(role.role), "%s", container->pin.role);
    install_runtime_name(&role, container->runtime);
    known = knows(container->program, container->runtime, err);
    if (known != 0)
        return known;
    strcpy(container->runtime, INSTALL_RUNTIME);
    container->annotated = true;
    return knows(container->program, container->runtime, err);
}

static int choose_hooks(struct verify_container *container, struct error *err)
{
    bool there = false;
    int result = install_podman_has_hook(&there, err);

    if (result < 0)
        return result;
    container->runtime[0] = '\0';
    container->annotated = true;
    verify_client_way(container);
    if (there)
        return 0;
    error_set(err, 0, "podman has neither a runtime for this role nor a hook");
    return error_advise(err, "run `sallyport install podman --role %s.%s`", container->pin.network,
                        container->pin.role);
}

static int find(struct verify_container *container, struct error *err)
{
    int result = verify_program_find("podman", container->program, err);

    if (result == 0)
        result = choose_runtime(container, err);
    if (result < 0)
        return result;
    if (result == 0)
        return choose_hooks(container, err);
    verify_client_way(container);
    return 0;
}

static int make(struct verify_container *container, const char *const words[], struct error *err)
{
    words_add(&container->client, container->program, NULL);
    if (container->runtime[0] != '\0')
        words_add(&container->client, "--runtime", container->runtime, NULL);
    return verify_client_make(container, words, err);
}

const struct verify_engine verify_engine_podman = {"podman", find, make, verify_client_remove};
