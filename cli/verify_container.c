/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_container.h"

#include "base/cleanup.h"
#include "base/program.h"
#include "base/rootless.h"
#include "cli/verify_engine.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

static const struct verify_engine *const ENGINES[] = {&verify_engine_docker, &verify_engine_podman,
                                                      &verify_engine_runc, &verify_engine_crun};

int verify_program_find(const char *name, char ret_path[PATH_MAX], struct error *err)
{
    static const char *const DIRECTORIES[] = {"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"};

    for (size_t i = 0; i < array_size(DIRECTORIES); i++) {
        char path[64];

        snprintf(path, sizeof(path), "%s/%s", DIRECTORIES[i], name);
        if (access(path, X_OK) == 0) {
            strcpy(ret_path, path);
            return 0;
        }
    }
    error_set(err, ENOENT, "engine %s", name);
    return error_advise(err, "install it, or use another --engine");
}

int verify_probe_find(char ret_path[PATH_MAX], struct error *err)
{
    static const char *const PLACES[] = {"probe/probe", "../" SALLYPORT_PROBE};
    char path[PATH_MAX];

    for (size_t i = 0; i < array_size(PLACES); i++) {
        cleanup_free char *found = NULL;
        int result = program_path(PLACES[i], path, err);

        if (result < 0)
            return result;
        found = realpath(path, NULL);
        if (found != NULL && access(found, X_OK) == 0) {
            strcpy(ret_path, found);
            return 0;
        }
    }
    error_set(err, ENOENT, "the probe, %s", path); /* where it is installed: the last place */
    return error_advise(err, "install all of Sallyport again");
}

int verify_container_find(const char *engine, const struct selection *pin, const struct policy_role *role,
                          const char *cgroup_parent, struct verify_container *ret, struct error *err)
{
    struct verify_container container = {.engine = engine == NULL ? &verify_engine_any : NULL,
                                         .pin = *pin,
                                         .cgroup_parent = cgroup_parent,
                                         .no_network = role->links != POLICY_LINKS_REMOVE};
    int result = 0;

    for (size_t i = 0; i < array_size(ENGINES) && engine != NULL; i++)
        if (strcmp(ENGINES[i]->name, engine) == 0)
            container.engine = ENGINES[i];
    if (container.engine == NULL) {
        error_set(err, 0, "engine `%s` is not one that verify can start containers with", engine);
        return error_advise(err, "use --engine docker, podman, runc or crun");
    }
    container.engine_name = container.engine->name;
    result = container.engine->find(&container, err);
    if (result == 0)
        *ret = container;
    return result;
}

static const char *run_directory(void)
{
    static char path[64];

    if (!rootless())
        return "/run/sallyport";
    snprintf(path, sizeof(path), "/%s/sallyport", rootless_runtime_directory());
    return path;
}

static int make_directory(struct verify_container *container, struct error *err)
{
    char path[sizeof(container->directory)];
    uint64_t number = 0;
    struct stat st;

    if (mkdir(run_directory(), 0700) < 0 && errno != EEXIST)
        return error_set(err, errno, "make %s", run_directory());
    if (lstat(run_directory(), &st) < 0)
        return error_set(err, errno, "look at %s", run_directory());
    if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) != 0) {
        error_set(err, 0, "%s is not a directory that only root can write to", run_directory());
        return error_advise(err, "remove it");
    }
    if (getrandom(&number, sizeof(number), 0) != sizeof(number))
        return error_set(err, errno, "choose a name for the container");
    snprintf(path, sizeof(path), "%s/verify-%016" PRIx64, run_directory(), number);
    if (mkdir(path, 0700) < 0)
        return error_set(err, errno, "make %s", path);
    strcpy(container->directory, path);
    snprintf(container->name, sizeof(container->name), "verify-%016" PRIx64, number);
    return 0;
}

int verify_container_make(struct verify_container *container, const char *const words[], struct error *err)
{
    int result = make_directory(container, err);

    return result < 0 ? result : container->engine->make(container, words, err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

static int remove_directory(const struct verify_container *container, struct error *err)
{
    if (nftw(container->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0) {
        error_set(err, errno, "remove %s", container->directory);
        return error_advise(err, "remove it by hand");
    }
    return 0;
}

int verify_container_remove(const struct verify_container *container, struct error *err)
{
    struct error other = {0};
    int result = 0;
    int removed = 0;

    if (container->name[0] == '\0')
        return 0;
    if (container->engine->remove != NULL)
        result = container->engine->remove(container, err);
    removed = remove_directory(container, result == 0 ? err : &other);
    return result < 0 ? result : removed;
}
