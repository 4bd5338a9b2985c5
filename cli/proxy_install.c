/* SPDX-License-Identifier: Apache-2.0
 *
 * The proxy's configuration, put in place: checked by the programs that are to read it, written whole or not
 * at all, and read by those that run. There is one file for squid and, where the policy has a pass-through,
 * one for haproxy beside it. Their directory is nobody else's: a container that mounts it sees the files that
 * were renamed into place, which the mount of a file would not.
 *
 * Open connections stay when a configuration is read, also those to a host that is no longer allowed. So when
 * the new rules are in force, and nothing can be opened by the old ones, the connections of every role that
 * lost something are ended; the members open those that are still allowed again.
 *
 * Until all of that is done, what may have been in force is kept in NAME.before: after installations that
 * did not come to their end, one configuration behind the other. The next one tells the programs again, and
 * knows what roles may have lost.
 *
 * Invariant: whatever can fail beforehand does, for both, before either file is replaced; if the second
 * cannot be replaced, the first is put back. A proxy in a container is the business of its engine: the files
 * are written, and what is left to do is said. */
#include "cli/proxy_install.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/connections.h"
#include "cli/proxy_check.h"
#include "cli/proxy_process.h"
#include "cli/proxy_revoked.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { CONFIG_MAX = 64 * 1024 * 1024 }; /* bytes */

#define BEFORE ".before"

/* One program, and its file. */
struct part {
    const struct proxy_kind *kind;
    char name[NAME_MAX + 1 - sizeof(BEFORE)];
    char *before;   /* NULL if there was no file */
    char *after;    /* NULL if there is to be none */
    char *in_force; /* `before`, and what earlier installations have left of before */
    size_t before_length;
    size_t after_length;
    bool untold; /* an earlier installation did not come to its end */
    bool replaced;
    struct proxy_process process;
};

struct installation {
    const struct policy *policy;
    char path[PATH_MAX]; /* of the directory */
    int directory;
    struct part parts[PROXY_KINDS];
};

static void installation_init(struct installation *self, const struct policy *policy)
{
    *self = (struct installation){.policy = policy, .directory = -1};
    snprintf(self->path, sizeof(self->path), PROXY_DIRECTORY "%s", policy->network);
    for (size_t i = 0; i < PROXY_KINDS; i++) {
        self->parts[i] = (struct part){.kind = proxy_kinds[i], .process.pidfd = -1};
        snprintf(self->parts[i].name, sizeof(self->parts[i].name), "%s", proxy_kinds[i]->file);
    }
}

static void installation_release(struct installation *self)
{
    for (size_t i = 0; i < PROXY_KINDS; i++) {
        free(self->parts[i].before);
        free(self->parts[i].after);
        free(self->parts[i].in_force);
        proxy_process_close(&self->parts[i].process);
    }
    cleanup_close_at(&self->directory);
}

static int part_path(const struct installation *self, const struct part *part, char ret_path[PATH_MAX],
                     struct error *err)
{
    const char *slash = strcmp(self->path, "/") == 0 ? "" : "/";

    if (snprintf(ret_path, PATH_MAX, "%s%s%s", self->path, slash, part->name) >= PATH_MAX)
        return error_set(err, ENAMETOOLONG, "%s", self->path);
    return 0;
}

/* The file of `kind` is at `path`, that of the other one beside it. */
static int choose_path(struct installation *self, const struct proxy_kind *kind, const char *path,
                       struct error *err)
{
    const char *slash = strrchr(path, '/');

    if (path[0] != '/' || strlen(path) >= sizeof(self->path) || slash[1] == '\0' ||
        strlen(slash + 1) >= sizeof(self->parts[0].name))
        return error_set(err, 0, "--config %s: not an absolute path of a file", path);
    snprintf(self->path, sizeof(self->path), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    for (size_t i = 0; i < PROXY_KINDS; i++)
        if (self->parts[i].kind == kind)
            strcpy(self->parts[i].name, slash + 1);
        else if (strcmp(self->parts[i].name, slash + 1) == 0)
            return error_set(err, 0, "--config %s: the usual name of %s's file, which stands beside it", path,
                             self->parts[i].kind->name);
    return 0;
}

static int make_directory(struct installation *self, struct error *err)
{
    if (mkdir("/etc/squid", 0755) < 0 && errno != EEXIST)
        return error_set(err, errno, "make /etc/squid");
    if (mkdir(self->path, 0755) < 0 && errno != EEXIST)
        return error_set(err, errno, "make %s", self->path);
    return 0;
}

static int open_directory(struct installation *self, struct error *err)
{
    self->directory = open(self->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return self->directory < 0 ? error_set(err, errno, "open %s", self->path) : 0;
}

/* The second line of every file that we write: another one is not ours to replace. */
static int check_own(const struct installation *self, const struct part *part, struct error *err)
{
    char mark[64];

    snprintf(mark, sizeof(mark), "\n# Written by `sallyport proxy-config %s %.12s`", part->kind->name,
             self->policy->network);
    if (part->before == NULL || strstr(part->before, mark) == strchr(part->before, '\n'))
        return 0;
    error_set(err, 0, "%s/%s: was not written by `sallyport proxy-config` for this network", self->path,
              part->name);
    return error_advise(err, "move it away, or give another file with --config");
}

static void name_before(const struct part *part, char ret_name[NAME_MAX + 1])
{
    snprintf(ret_name, NAME_MAX + 1, "%s" BEFORE, part->name);
}

/* *ret stays NULL if there is no such file. */
static int read_file(const struct installation *self, const char *name, char **ret, size_t *ret_length,
                     struct error *err)
{
    int result = file_read_at(self->directory, name, CONFIG_MAX, ret, ret_length, err);

    if (result == -ENOENT)
        return 0;
    return result < 0 ? error_prefix(err, "%s/%s", self->path, name) : 0;
}

static int read_in_force(const struct installation *self, struct part *part, struct error *err)
{
    cleanup_free char *kept = NULL;
    char name[NAME_MAX + 1];
    size_t length = 0;
    int result = 0;

    name_before(part, name);
    result = read_file(self, name, &kept, &length, err);
    if (result < 0)
        return result;
    part->untold = kept != NULL;
    if (asprintf(&part->in_force, "%s%s", kept != NULL ? kept : "",
                 part->before != NULL ? part->before : "") >= 0)
        return 0;
    part->in_force = NULL;
    return error_set(err, ENOMEM, "read %s/%s", self->path, name);
}

static int read_before(const struct installation *self, struct part *part, struct error *err)
{
    int result = read_file(self, part->name, &part->before, &part->before_length, err);

    if (result == 0)
        result = check_own(self, part, err);
    return result < 0 ? result : read_in_force(self, part, err);
}

static int make_after(const struct installation *self, struct part *part, struct error *err)
{
    FILE *out = NULL;
    int result = 0;

    if (!part->kind->wanted(self->policy))
        return 0;
    out = open_memstream(&part->after, &part->after_length);
    if (out == NULL)
        return error_set(err, errno, "make the configuration");
    result = part->kind->write(out, self->policy, err);
    if (fclose(out) != 0 && result == 0)
        result = error_set(err, errno, "make the configuration");
    return result;
}

static int prepare(struct installation *self, struct error *err)
{
    int result = open_directory(self, err);

    for (size_t i = 0; i < PROXY_KINDS && result == 0; i++) {
        result = read_before(self, &self->parts[i], err);
        if (result == 0)
            result = make_after(self, &self->parts[i], err);
    }
    return result;
}

static bool unchanged(const struct part *part)
{
    if (part->before == NULL || part->after == NULL)
        return part->before == part->after;
    return strcmp(part->before, part->after) == 0;
}

/* Whether the program has to be told: of another file, or of this one because it may not have been. */
static bool is_due(const struct part *part)
{
    return !unchanged(part) || part->untold;
}

/* What the program says to its file, and which one is to read it. A host without it may have one in a
 * container. */
static int check(const struct installation *self, struct part *part, struct error *err)
{
    bool at_host = self->policy->proxy_at == POLICY_PROXY_AT_HOST;
    char path[PATH_MAX];
    int result = part_path(self, part, path, err);

    if (result < 0)
        return result;
    if (part->after != NULL && (at_host || proxy_present(part->kind)))
        result = proxy_check(part->kind, part->after, part->after_length, err);
    if (result == 0 && at_host)
        result = proxy_process_find(part->kind, self->policy->network, path, &part->process, err);
    return result;
}

/* Writes `text`, or removes the file if it is NULL. */
static int put(const struct installation *self, const struct part *part, const char *text, size_t length,
               struct error *err)
{
    if (text != NULL)
        return file_replace_at(self->directory, part->name, text, length, 0644, err);
    if (unlinkat(self->directory, part->name, 0) < 0 && errno != ENOENT)
        return error_set(err, errno, "remove %s/%s", self->path, part->name);
    return 0;
}

static int keep_before(const struct installation *self, const struct part *part, struct error *err)
{
    char name[NAME_MAX + 1];

    name_before(part, name);
    return file_replace_at(self->directory, name, part->in_force, strlen(part->in_force), 0644, err);
}

static int forget_before(const struct installation *self, const struct part *part, struct error *err)
{
    char name[NAME_MAX + 1];

    name_before(part, name);
    if (unlinkat(self->directory, name, 0) < 0 && errno != ENOENT)
        return error_set(err, errno, "remove %s/%s", self->path, name);
    return 0;
}

static void put_back(struct installation *self)
{
    struct error unimportant; /* the one that led here is told */

    for (size_t i = 0; i < PROXY_KINDS; i++) {
        struct part *part = &self->parts[i];

        if (part->replaced && put(self, part, part->before, part->before_length, &unimportant) < 0)
            continue;
        if (!part->untold)
            forget_before(self, part, &unimportant);
    }
}

static int replace(struct installation *self, struct error *err)
{
    for (size_t i = 0; i < PROXY_KINDS; i++) {
        struct part *part = &self->parts[i];
        int result = unchanged(part) ? 0 : keep_before(self, part, err);

        if (result == 0 && !unchanged(part))
            result = put(self, part, part->after, part->after_length, err);
        if (result < 0) {
            put_back(self);
            return result;
        }
        part->replaced = !unchanged(part);
    }
    for (size_t i = 0; i < PROXY_KINDS; i++)
        if (self->parts[i].replaced)
            printf("%s %s/%s\n", self->parts[i].after != NULL ? "wrote" : "removed", self->path,
                   self->parts[i].name);
        else if (self->parts[i].after != NULL)
            printf("%s/%s: unchanged\n", self->path, self->parts[i].name);
    return 0;
}

/* The connections of these sources to each port of the program. */
static int end_connections(const struct installation *self, const struct part *part,
                           const struct policy_range *sources, size_t *total, struct error *err)
{
    uint16_t ports[POLICY_PROXY_PORTS_MAX];
    size_t count = part->kind->ports(self->policy, ports);

    for (size_t i = 0; i < count; i++) {
        size_t ended = 0;
        int result = connections_end(self->policy->proxy_address, ports[i], sources, &ended, err);

        if (result < 0)
            return result;
        *total += ended;
    }
    return 0;
}

static int end_revoked(const struct installation *self, const struct part *part, struct error *err)
{
    cleanup_free struct policy_range *sources = NULL;
    size_t count = 0;
    size_t total = 0;
    int result = proxy_revoked(part->in_force, part->after, &sources, &count, err);

    for (size_t i = 0; result == 0 && i < count; i++)
        result = end_connections(self, part, &sources[i], &total, err);
    if (result < 0) {
        error_prefix(err, "the new rules are in force, but not for connections that are open");
        return error_advise(err, "restart %s (process %d) to end them", part->kind->name, part->process.pid);
    }
    if (count > 0)
        printf("%zu connections ended, of roles that lost a host\n", total);
    return 0;
}

static void say_stopped(const struct installation *self, const struct part *part)
{
    char path[2 * PATH_MAX];
    char command[sizeof(path) + 64];

    snprintf(path, sizeof(path), "%s/%s", self->path, part->name);
    proxy_kind_start(part->kind, self->policy->network, path, command, sizeof(command));
    printf("no %s runs for this network: %s starts it\n", part->kind->name, command);
}

static int tell(const struct installation *self, const struct part *part, struct error *err)
{
    const struct proxy_kind *kind = part->kind;
    int result = 0;

    if (part->process.pidfd < 0) {
        if (part->after != NULL)
            say_stopped(self, part);
        return 0;
    }
    if (part->after == NULL) {
        result = proxy_process_end(&part->process, self->policy, err);
        if (result == 0)
            printf("%s (process %d) ended: the policy has nothing for it\n", kind->name, part->process.pid);
        return result;
    }
    result = kind->reconfigure(&part->process, self->policy, err);
    if (result < 0)
        return result;
    printf("%s (process %d) has read it\n", kind->name, part->process.pid);
    return end_revoked(self, part, err);
}

static void tell_engine(const struct part *part)
{
    printf("let the proxy's container read it: `docker kill --signal %s CONTAINER`; open connections stay, "
           "`docker restart CONTAINER` ends them\n",
           part->kind->reload_name);
}

static int tell_one(const struct installation *self, const struct part *part, struct error *err)
{
    int result = 0;

    if (self->policy->proxy_at == POLICY_PROXY_AT_MEMBER)
        tell_engine(part);
    else
        result = tell(self, part, err);
    return result < 0 ? result : forget_before(self, part, err);
}

/* Each of them, also when the other one fails: that is told first. */
static int tell_all(const struct installation *self, struct error *err)
{
    struct error later;
    int result = 0;

    for (size_t i = 0; i < PROXY_KINDS; i++)
        if (is_due(&self->parts[i])) {
            int one = tell_one(self, &self->parts[i], result == 0 ? err : &later);

            result = result == 0 ? one : result;
        }
    return result;
}

static int install(struct installation *self, struct error *err)
{
    int result = prepare(self, err);

    for (size_t i = 0; i < PROXY_KINDS && result == 0; i++)
        if (is_due(&self->parts[i]))
            result = check(self, &self->parts[i], err);
    if (result == 0)
        result = replace(self, err);
    return result < 0 ? result : tell_all(self, err);
}

int proxy_install(const struct policy *policy, const struct proxy_kind *kind, const char *path,
                  struct error *err)
{
    struct installation self;
    int result = 0;

    installation_init(&self, policy);
    result = path != NULL ? choose_path(&self, kind, path, err) : make_directory(&self, err);
    if (result == 0)
        result = install(&self, err);
    if (result < 0 && path == NULL)
        rmdir(self.path); /* made for nothing, if it is empty */
    installation_release(&self);
    return result;
}

static int look(struct installation *self, struct part *part, struct error *err)
{
    int result = read_before(self, part, err);

    if (result == 0 && part->before == NULL)
        result = error_set(err, ENOENT, "%s/%s", self->path, part->name);
    if (result == 0)
        result = make_after(self, part, err);
    if (result == 0 && !unchanged(part))
        result = error_set(err, 0, "%s/%s: is not what the policy makes now", self->path, part->name);
    if (result == 0 && part->untold)
        result = error_set(err, 0, "%s/%s: was written, but %s may not have read it", self->path, part->name,
                           part->kind->name);
    return result;
}

int proxy_install_look(const struct policy *policy, const struct proxy_kind *kind, char ret_path[PATH_MAX],
                       struct error *err)
{
    struct installation self;
    struct part *part = NULL;
    int result = 0;

    installation_init(&self, policy);
    part = self.parts[0].kind == kind ? &self.parts[0] : &self.parts[1];
    result = part_path(&self, part, ret_path, err);
    if (result == 0)
        result = open_directory(&self, err);
    if (result == 0)
        result = look(&self, part, err);
    installation_release(&self);
    return result < 0
               ? error_advise(err, "`sallyport proxy-config %s %s --install`", kind->name, policy->network)
               : 0;
}
