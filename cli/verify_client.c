/* SPDX-License-Identifier: Apache-2.0
 *
 * Docker and Podman, whose clients understand the same words here: import an image, create a container and
 * start it, remove container and image, and look whether they are gone. What a `remove` says is not believed:
 * it fails where there is nothing to be removed, in some versions.
 *
 * Nothing is pulled, and the engine's log driver does not get the probe's lines: who has one sends it to the
 * journal, or to another machine. */
#include "base/cleanup.h"
#include "cli/verify_engine.h"
#include "cli/verify_image.h"

#include <stdio.h>
#include <string.h>

/* The parts of container->texts. */
enum { IMAGE, NETWORK, ROLE };

void verify_client_way(struct verify_container *container)
{
    bool hooks = container->runtime[0] == '\0';

    snprintf(container->way, sizeof(container->way), "%s%s%s%s", hooks ? "hooks" : "runtime ",
             container->runtime, container->annotated ? ", annotations" : "",
             container->no_network ? ", no other network" : "");
}

static int import(const struct verify_container *container, struct error *err)
{
    struct words words = container->client;
    char probe[PATH_MAX];
    int result = verify_probe_find(probe, err);
    cleanup_close int archive = result < 0 ? result : verify_image_make(probe, err);

    if (archive < 0)
        return archive;
    words_add(&words, "import", "-", container->texts[IMAGE], NULL);
    return command_run(&words, archive, NULL, err);
}

/* A created container's id is all that is printed. */
static int take_id(struct verify_container *container, const struct command_tail *output, struct error *err)
{
    size_t length = strspn(output->text, "0123456789abcdef");

    if (length == 0 || length >= sizeof(container->id) || strcmp(output->text + length, "\n") != 0)
        return error_set(err, 0, "%s: prints no id of the container that it makes", container->program);
    memcpy(container->id, output->text, length);
    return 0;
}

/* Not `run`: between create and start the id is known, and nothing has happened yet. */
static int create(struct verify_container *container, const char *const words[], struct error *err)
{
    struct words create = container->client;
    struct command_tail output;
    int result = 0;

    words_add(&create, "create", "--rm", "--name", container->name, "--pull", "never", "--log-driver", "none",
              "--stop-signal", "KILL", NULL);
    for (size_t i = 0; i < container->options.count; i++)
        words_add(&create, container->options.texts[i], NULL);
    if (container->annotated)
        words_add(&create, "--annotation", container->texts[NETWORK], "--annotation", container->texts[ROLE],
                  NULL);
    if (container->no_network)
        words_add(&create, "--network", "none", NULL);
    if (container->cgroup_parent[0] != '\0')
        words_add(&create, "--cgroup-parent", container->cgroup_parent, NULL);
    words_add(&create, container->texts[IMAGE], "/probe", "battery", NULL);
    for (size_t i = 0; words[i] != NULL; i++)
        words_add(&create, words[i], NULL);
    result = command_run(&create, -1, &output, err);
    return result < 0 ? result : take_id(container, &output, err);
}

int verify_client_make(struct verify_container *container, const char *const words[], struct error *err)
{
    int result = 0;

    snprintf(container->texts[IMAGE], sizeof(container->texts[IMAGE]), "localhost/sallyport-verify:%s",
             container->name);
    snprintf(container->texts[NETWORK], sizeof(container->texts[NETWORK]), "%s=%s", SELECTION_NETWORK,
             container->pin.network);
    snprintf(container->texts[ROLE], sizeof(container->texts[ROLE]), "%s=%s", SELECTION_ROLE,
             container->pin.role);
    container->run = container->end = container->client;
    words_add(&container->run, "start", "--attach", container->name, NULL);
    words_add(&container->end, "rm", "--force", "--volumes", container->name, NULL);
    result = import(container, err);
    return result < 0 ? result : create(container, words, err);
}

/* Fails if the list, which is one of ids, is not empty. */
static int expect_none(const struct words *list, struct error *err)
{
    struct command_tail left;
    int result = command_run(list, -1, &left, err);

    if (result == 0 && left.length > 0)
        result = error_set(err, 0, "the engine does not remove it");
    return result;
}

int verify_client_remove(const struct verify_container *container, struct error *err)
{
    struct words containers = container->client;
    struct words images = container->client;
    struct words rmi = container->client;
    struct error ignored = {0};
    char filter[64];
    int result = 0;

    snprintf(filter, sizeof(filter), "name=%s", container->name);
    words_add(&containers, "ps", "--all", "--quiet", "--filter", filter, NULL);
    words_add(&rmi, "rmi", "--force", container->texts[IMAGE], NULL);
    words_add(&images, "images", "--quiet", container->texts[IMAGE], NULL);
    (void)command_run(&container->end, -1, NULL, &ignored);
    (void)command_run(&rmi, -1, NULL, &ignored);
    result = expect_none(&containers, err);
    if (result == 0)
        result = expect_none(&images, err);
    if (result == 0)
        return 0;
    error_prefix(err, "remove container %s and its image", container->name);
    return error_advise(err, "when %s works again: %s rm --force %s; %s rmi %s", container->engine_name,
                        container->engine_name, container->name, container->engine_name,
                        container->texts[IMAGE]);
}
