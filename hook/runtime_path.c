/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/runtime_path.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const USUAL[] = {
    "/usr/bin/runc", "/usr/sbin/runc", "/usr/local/bin/runc", "/usr/local/sbin/runc",
    "/usr/bin/crun", "/usr/sbin/crun", "/usr/local/bin/crun", "/usr/local/sbin/crun",
};

static int refuse_own(const char *path, struct error *err)
{
    error_set(err, 0, "%s leads to sallyport-runtime itself", path);
    return error_advise(err, "name runc or crun: --runtime PATH, or make " RUNTIME_LINK " a link to it");
}

static int check(const char *path, struct error *err)
{
    struct stat own;
    struct stat st;

    if (stat(path, &st) < 0 || access(path, X_OK) < 0) {
        error_set(err, errno, "runtime %s", path);
        return error_advise(err, "install it, or name another one: --runtime PATH, or make " RUNTIME_LINK
                                 " a link to it");
    }
    if (!S_ISREG(st.st_mode))
        return error_set(err, EACCES, "runtime %s: not a file", path);
    if (stat("/proc/self/exe", &own) < 0)
        return error_set(err, errno, "look at /proc/self/exe");
    return file_same(&own, &st) ? refuse_own(path, err) : 0;
}

/* The first of the usual ones that is there and is not ourselves under its name. */
static const char *find_usual(void)
{
    struct error ignored;

    for (size_t i = 0; i < array_size(USUAL); i++)
        if (check(USUAL[i], &ignored) == 0)
            return USUAL[i];
    return NULL;
}

/* Where the administrator's link leads; ret_path is empty if there is none. */
static int follow_link(char ret_path[PATH_MAX], struct error *err)
{
    struct stat st;

    ret_path[0] = '\0';
    if (lstat(RUNTIME_LINK, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : error_set(err, errno, "look at " RUNTIME_LINK);
    /* Its target's own name goes to the runtime as argv[0]: crun has ways that depend on it. */
    if (realpath(RUNTIME_LINK, ret_path) != NULL)
        return 0;
    error_set(err, errno, "follow " RUNTIME_LINK);
    return error_advise(err, "make it a link to runc or crun, or remove it");
}

int runtime_path_find(const char *chosen, char ret_path[PATH_MAX], struct error *err)
{
    char link[PATH_MAX] = "";
    int result = chosen == NULL ? follow_link(link, err) : 0;

    if (result < 0)
        return result;
    if (chosen == NULL)
        chosen = link[0] != '\0' ? link : find_usual();
    if (chosen == NULL) {
        error_set(err, 0, "there is no OCI runtime to start containers with");
        return error_advise(err, "install runc or crun, or make " RUNTIME_LINK " a link to it");
    }
    if (strlen(chosen) >= PATH_MAX)
        return error_set(err, ENAMETOOLONG, "runtime %.64s...", chosen);
    result = check(chosen, err);
    if (result == 0)
        strcpy(ret_path, chosen);
    return result;
}
