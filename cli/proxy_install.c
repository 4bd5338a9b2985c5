/* SPDX-License-Identifier: Apache-2.0
 *
 * The proxy's configuration, put in place: checked by squid, written whole or not at all, and read by the
 * squid that runs. The file has a directory of its own: a container that mounts it sees the file that was
 * renamed into place, which the mount of a file would not.
 *
 * Squid keeps open tunnels when it reads a configuration, also those to a host that is no longer allowed. So
 * when the new rules are in force, and no tunnel can be opened by the old ones, the connections of every role
 * that lost something are ended; the members open those that are still allowed again.
 *
 * Invariant: whatever can fail beforehand does, before the file is replaced. A proxy in a container is the
 * business of its engine: the file is written, and what is left to do is said. */
#include "cli/proxy_install.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/connections.h"
#include "cli/squid.h"
#include "cli/squid_check.h"
#include "cli/squid_process.h"
#include "cli/squid_revoked.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { CONFIG_MAX = 16 * 1024 * 1024 }; /* bytes */

struct installation {
    const struct policy *policy;
    char path[PATH_MAX];
    const char *name; /* the last component of `path` */
    int directory;
    char *before; /* NULL if there was no file */
    char *after;
    size_t length;
    struct squid_process squid;
};

static void installation_release(struct installation *self)
{
    cleanup_close_at(&self->directory);
    free(self->before);
    free(self->after);
    squid_process_close(&self->squid);
}

static void usual_path(const char *network, char ret_path[PATH_MAX])
{
    snprintf(ret_path, PATH_MAX, "/etc/squid/sallyport-%s/squid.conf", network);
}

static int choose_path(struct installation *self, const char *path, struct error *err)
{
    const char *network = self->policy->network;

    if (path != NULL && (path[0] != '/' || strlen(path) >= sizeof(self->path)))
        return error_set(err, 0, "--config %s: not an absolute path", path);
    if (path != NULL) {
        strcpy(self->path, path);
        return 0;
    }
    usual_path(network, self->path);
    *strrchr(self->path, '/') = '\0';
    if ((mkdir("/etc/squid", 0755) < 0 && errno != EEXIST) ||
        (mkdir(self->path, 0755) < 0 && errno != EEXIST))
        return error_set(err, errno, "make %s", self->path);
    usual_path(network, self->path);
    return 0;
}

static int open_directory(struct installation *self, struct error *err)
{
    char *slash = strrchr(self->path, '/');

    self->name = slash + 1;
    *slash = '\0';
    self->directory = open(slash == self->path ? "/" : self->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->directory < 0)
        return error_set(err, errno, "open %s", self->path);
    *slash = '/';
    return 0;
}

/* The second line of every file that we write: another squid.conf is not ours to replace. */
static int check_own(const struct installation *self, struct error *err)
{
    char mark[64];

    snprintf(mark, sizeof(mark), "\n# Written by `sallyport proxy-config squid %.12s`",
             self->policy->network);
    if (self->before == NULL || strstr(self->before, mark) == strchr(self->before, '\n'))
        return 0;
    error_set(err, 0, "%s: was not written by `sallyport proxy-config` for this network", self->path);
    return error_advise(err, "move it away, or give another file with --config");
}

static int read_before(struct installation *self, struct error *err)
{
    size_t length = 0;
    int result = file_read_at(self->directory, self->name, CONFIG_MAX, &self->before, &length, err);

    if (result == -ENOENT)
        return 0;
    return result < 0 ? error_prefix(err, "%s", self->path) : check_own(self, err);
}

static int make_after(struct installation *self, struct error *err)
{
    FILE *out = open_memstream(&self->after, &self->length);
    int result = 0;

    if (out == NULL)
        return error_set(err, errno, "make the configuration");
    result = squid_config(out, self->policy, err);
    if (fclose(out) != 0 && result == 0)
        result = error_set(err, errno, "make the configuration");
    return result;
}

static int prepare(struct installation *self, const char *path, struct error *err)
{
    int result = choose_path(self, path, err);

    if (result == 0)
        result = open_directory(self, err);
    if (result == 0)
        result = read_before(self, err);
    return result < 0 ? result : make_after(self, err);
}

static bool unchanged(const struct installation *self)
{
    return self->before != NULL && strcmp(self->before, self->after) == 0;
}

/* What squid says to it, and which one is to read it. A host without squid may have one in a container. */
static int check(struct installation *self, struct error *err)
{
    bool at_host = self->policy->proxy_at == POLICY_PROXY_AT_HOST;
    int result = 0;

    if (at_host || squid_present())
        result = squid_check(self->after, self->length, err);
    if (result == 0 && at_host)
        result = squid_process_find(self->policy->network, self->path, &self->squid, err);
    return result;
}

static int end_revoked(const struct installation *self, struct error *err)
{
    const struct policy *policy = self->policy;
    cleanup_free struct policy_range *sources = NULL;
    size_t count = 0;
    size_t total = 0;
    int result = squid_revoked(self->before != NULL ? self->before : "", self->after, &sources, &count, err);

    for (size_t i = 0; result == 0 && i < count; i++) {
        size_t ended = 0;

        result = connections_end(policy->proxy_address, policy->proxy_port, &sources[i], &ended, err);
        total += result == 0 ? ended : 0;
    }
    if (result < 0) {
        error_prefix(err, "the new rules are in force, but not for tunnels that are open");
        return error_advise(err, "restart squid (process %d) to end them", self->squid.pid);
    }
    if (count > 0)
        printf("%zu connections ended, of roles that lost a host\n", total);
    return 0;
}

static int tell_squid(const struct installation *self, struct error *err)
{
    int result = 0;

    if (self->policy->proxy_at == POLICY_PROXY_AT_MEMBER) {
        puts("let the proxy's container read it: `docker kill --signal HUP CONTAINER`; open tunnels stay, "
             "`docker restart CONTAINER` ends them");
        return 0;
    }
    if (self->squid.pidfd < 0) {
        printf("no squid runs for this network: `squid -f %s` starts it\n", self->path);
        return 0;
    }
    result = squid_process_reconfigure(&self->squid, self->policy, err);
    if (result < 0)
        return result;
    printf("squid (process %d) has read it\n", self->squid.pid);
    return end_revoked(self, err);
}

static int install(struct installation *self, const char *path, struct error *err)
{
    int result = prepare(self, path, err);

    if (result < 0)
        return result;
    if (unchanged(self)) {
        printf("%s: unchanged\n", self->path);
        return 0;
    }
    result = check(self, err);
    if (result == 0)
        result = file_replace_at(self->directory, self->name, self->after, self->length, 0644, err);
    if (result < 0)
        return result;
    printf("wrote %s\n", self->path);
    return tell_squid(self, err);
}

int proxy_install(const struct policy *policy, const char *path, struct error *err)
{
    struct installation self = {.policy = policy, .directory = -1, .squid.pidfd = -1};
    int result = install(&self, path, err);
    char *slash = strrchr(self.path, '/');

    if (result < 0 && path == NULL && self.name != NULL) {
        *slash = '\0';
        rmdir(self.path); /* made for nothing, if it is empty */
    }
    installation_release(&self);
    return result;
}

static int look(struct installation *self, struct error *err)
{
    int result = open_directory(self, err);

    if (result == 0)
        result = read_before(self, err);
    if (result == 0 && self->before == NULL)
        result = error_set(err, ENOENT, "%s", self->path);
    if (result == 0)
        result = make_after(self, err);
    if (result == 0 && !unchanged(self))
        result = error_set(err, 0, "%s: is not what the policy makes now", self->path);
    return result < 0
               ? error_advise(err, "`sallyport proxy-config squid %s --install`", self->policy->network)
               : 0;
}

int proxy_install_look(const struct policy *policy, char ret_path[PATH_MAX], struct error *err)
{
    struct installation self = {.policy = policy, .directory = -1, .squid.pidfd = -1};
    int result = 0;

    usual_path(policy->network, self.path);
    usual_path(policy->network, ret_path);
    result = look(&self, err);
    installation_release(&self);
    return result;
}
