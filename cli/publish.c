/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport publish: the ports of the host's loopback that lead into members, as systemd units. Units are
 * files like others here: written whole or not at all, and what the policy no longer has is removed. systemd
 * itself is not touched: the commands are said, the administrator runs them.
 *
 * Invariant: no file is changed or removed that this verb did not write. */
#include "base/cleanup.h"
#include "base/file.h"
#include "cli/publish_units.h"
#include "cli/verb.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#define UNIT_DIRECTORY "/etc/systemd/system"

enum { UNIT_MAX = 64 * 1024 }; /* bytes of a file that could be a unit of ours */

static const char USAGE[] =
    "Usage: sallyport publish NETWORK [--install] [--directory DIR]\n"
    "       sallyport publish NETWORK --remove [--directory DIR]\n"
    "\n"
    "Makes the systemd units for what the policy publishes: a port on the host's loopback that leads, by\n"
    "systemd-socket-proxyd, to a port of a member. Without an option they are printed.\n"
    "\n"
    "  --install        write them, and remove those that the policy no longer has\n"
    "  --remove         remove all units of the network\n"
    "  --directory DIR  where units are (default: " UNIT_DIRECTORY ")\n"
    "\n"
    "What systemctl has to be told is printed.\n";

/* The unit files of a network in a directory, and what is to be told to systemd about them. */
struct units {
    const char *network;
    const struct policy *policy; /* NULL: the network is to have none */
    const char *path;
    int directory;
    FILE *to_stop; /* names of units that are gone or other than before, each after a blank */
    FILE *to_start;
};

/* A service comes before the socket that starts it. */
static const enum publish_kind kinds[] = {PUBLISH_SERVICE, PUBLISH_SOCKET};

typedef int (*each_publish)(void *data, const struct policy_role *role, const struct policy_publish *publish,
                            struct error *err);

/* Calls `call` for everything that is published, until it returns anything but 0, which is returned. */
static int for_each_publish(const struct policy *policy, each_publish call, void *data, struct error *err)
{
    int result = 0;

    for (size_t i = 0; i < policy->roles_count; i++) {
        const struct policy_role *role = &policy->roles[i];

        for (size_t j = 0; result == 0 && j < role->publish_count; j++)
            result = call(data, role, &role->publish[j], err);
    }
    return result;
}

static int print_units(void *data, const struct policy_role *role, const struct policy_publish *publish,
                       struct error *err)
{
    const struct policy *policy = data;
    char name[PUBLISH_NAME_SIZE];

    (void)err;
    for (size_t i = 0; i < array_size(kinds); i++) {
        publish_unit_name(policy->network, publish, kinds[i], name);
        printf("# %s/%s\n", UNIT_DIRECTORY, name);
        publish_write_unit(stdout, policy, role, publish, kinds[i]);
        putchar('\n');
    }
    return 0;
}

static int print(struct policy *policy, struct error *err)
{
    int result = for_each_publish(policy, print_units, policy, err);

    return result < 0 ? result : verb_flush_output(err);
}

/* Reads the file that has a unit's name. *ret_text stays NULL if there is none; one that is not ours is an
 * error. */
static int read_own(const struct units *units, const char *name, char **ret_text, struct error *err)
{
    cleanup_free char *text = NULL;
    char mark[128];
    size_t length = 0;
    int result = file_read_at(units->directory, name, UNIT_MAX, &text, &length, err);

    if (result == -ENOENT)
        return 0;
    if (result < 0)
        return error_prefix(err, "%s", units->path);
    publish_mark(units->network, mark, sizeof(mark));
    if (strncmp(text, mark, strlen(mark)) != 0) {
        error_set(err, 0, "%s/%s: was not written by `sallyport publish`", units->path, name);
        return error_advise(err, "move it away");
    }
    *ret_text = take_pointer(text);
    return 0;
}

static int unit_text(const struct units *units, const struct policy_role *role,
                     const struct policy_publish *publish, enum publish_kind kind, char **ret_text,
                     struct error *err)
{
    cleanup_free char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL)
        return error_set(err, errno, "write a unit");
    publish_write_unit(out, units->policy, role, publish, kind);
    if (fclose(out) != 0)
        return error_set(err, errno, "write a unit");
    *ret_text = take_pointer(text);
    return 0;
}

enum change {
    UNCHANGED,
    NEW,
    CHANGED,
};

static int write_unit(const struct units *units, const struct policy_role *role,
                      const struct policy_publish *publish, enum publish_kind kind, enum change *ret,
                      struct error *err)
{
    cleanup_free char *old = NULL;
    cleanup_free char *text = NULL;
    char name[PUBLISH_NAME_SIZE];
    int result = unit_text(units, role, publish, kind, &text, err);

    publish_unit_name(units->network, publish, kind, name);
    if (result == 0)
        result = read_own(units, name, &old, err);
    if (result < 0)
        return result;
    *ret = old == NULL ? NEW : strcmp(old, text) == 0 ? UNCHANGED : CHANGED;
    if (*ret == UNCHANGED)
        return 0;
    result = file_replace_at(units->directory, name, text, strlen(text), 0644, err);
    if (result < 0)
        return error_prefix(err, "%s", units->path);
    printf("wrote %s/%s\n", units->path, name);
    return 0;
}

static int write_units(void *data, const struct policy_role *role, const struct policy_publish *publish,
                       struct error *err)
{
    struct units *units = data;
    char names[array_size(kinds)][PUBLISH_NAME_SIZE];
    bool any_new = false;
    bool any_old = false;

    for (size_t i = 0; i < array_size(kinds); i++) {
        enum change change = UNCHANGED;
        int result = write_unit(units, role, publish, kinds[i], &change, err);

        if (result < 0)
            return result;
        publish_unit_name(units->network, publish, kinds[i], names[i]);
        any_new |= change != UNCHANGED;
        any_old |= change == CHANGED;
    }
    if (any_old)
        fprintf(units->to_stop, " %s %s", names[1], names[0]);
    if (any_new)
        fprintf(units->to_start, " %s", names[1]);
    return 0;
}

static int compare_names(void *data, const struct policy_role *role, const struct policy_publish *publish,
                         struct error *err)
{
    const char *const *names = data;
    char name[PUBLISH_NAME_SIZE];

    (void)role;
    (void)err;
    for (size_t i = 0; i < array_size(kinds); i++) {
        publish_unit_name(names[0], publish, kinds[i], name);
        if (strcmp(name, names[1]) == 0)
            return 1;
    }
    return 0;
}

static bool is_wanted(const struct units *units, const char *name)
{
    const char *names[] = {units->network, name};

    return units->policy != NULL && for_each_publish(units->policy, compare_names, names, NULL) != 0;
}

/* The unit, and the link that `systemctl enable` made: it can no longer be disabled without the unit. */
static int remove_unit(const struct units *units, const char *name, struct error *err)
{
    cleanup_free char *old = NULL;
    char link[PUBLISH_DEVICE_SIZE + PUBLISH_NAME_SIZE + 8];
    int result = read_own(units, name, &old, err);

    if (result < 0)
        return result;
    publish_device(units->network, link);
    snprintf(link + strlen(link), sizeof(link) - strlen(link), ".wants/%.63s", name);
    if ((unlinkat(units->directory, link, 0) < 0 && errno != ENOENT && errno != ENOTDIR) ||
        unlinkat(units->directory, name, 0) < 0)
        return error_set(err, errno, "remove %s/%s", units->path, name);
    printf("removed %s/%s\n", units->path, name);
    fprintf(units->to_stop, " %s", name);
    return 0;
}

static int check_file(const struct units *units, const char *name, struct error *err)
{
    cleanup_free char *text = NULL;

    return read_own(units, name, &text, err);
}

static int remove_unwanted(const struct units *units, const char *name, struct error *err)
{
    return is_wanted(units, name) ? 0 : remove_unit(units, name, err);
}

/* Calls `call` for every file in the directory that has the name of a unit of the network. */
static int for_each_file(const struct units *units,
                         int (*call)(const struct units *units, const char *name, struct error *err),
                         struct error *err)
{
    int fd = openat(units->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_directory DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    int result = 0;

    if (directory == NULL) {
        result = error_set(err, errno, "read %s", units->path);
        cleanup_close_at(&fd);
        return result;
    }
    for (errno = 0; result == 0 && (entry = readdir(directory)) != NULL; errno = 0)
        if (publish_is_unit_of(units->network, entry->d_name))
            result = call(units, entry->d_name, err);
    if (result == 0 && errno != 0)
        result = error_set(err, errno, "read %s", units->path);
    return result;
}

static void say_commands(const char *stop, const char *start)
{
    if (stop[0] == '\0' && start[0] == '\0') {
        puts("unchanged");
        return;
    }
    puts("now run:");
    /* A unit that is running and whose file is gone can still be stopped, by name. */
    if (stop[0] != '\0')
        printf("  systemctl stop%s\n", stop);
    puts("  systemctl daemon-reload");
    if (start[0] != '\0')
        printf("  systemctl enable --now%s\n", start);
}

/* A file that is not ours is found before anything has changed. */
static int change_units(struct units *units, struct error *err)
{
    int result = for_each_file(units, check_file, err);

    if (result == 0)
        result = for_each_file(units, remove_unwanted, err);
    if (result == 0 && units->policy != NULL)
        result = for_each_publish(units->policy, write_units, units, err);
    return result;
}

/* Makes the directory have the units of `policy`, or none of the network's if it is NULL. */
static int install(const char *network, const struct policy *policy, const char *path, struct error *err)
{
    cleanup_close int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_free char *stop = NULL;
    cleanup_free char *start = NULL;
    size_t sizes[2];
    struct units units = {.network = network, .policy = policy, .path = path, .directory = directory};
    int result = 0;

    if (directory < 0)
        return error_set(err, errno, "open %s", path);
    units.to_stop = open_memstream(&stop, &sizes[0]);
    units.to_start = open_memstream(&start, &sizes[1]);
    if (units.to_stop == NULL || units.to_start == NULL)
        abort();
    result = change_units(&units, err);
    if (fclose(units.to_stop) != 0 || fclose(units.to_start) != 0)
        abort();
    /* What has been changed before a failure has to be told, too. */
    if (result == 0 || stop[0] != '\0' || start[0] != '\0')
        say_commands(stop, start);
    return result < 0 ? result : verb_flush_output(err);
}

struct arguments {
    const char *network;
    const char *directory;
    bool install;
    bool remove;
};

static int publish(const struct arguments *arguments, struct error *err)
{
    struct policy policy;
    int result = 0;

    if (arguments->remove) { /* the policy may be gone */
        result = verb_check_network(arguments->network, err);
        return result < 0 ? result : install(arguments->network, NULL, arguments->directory, err);
    }
    result = verb_load_policy(arguments->network, &policy, err);
    if (result < 0)
        return result;
    result = arguments->install ? install(arguments->network, &policy, arguments->directory, err)
                                : print(&policy, err);
    policy_free(&policy);
    return result;
}

int verb_publish(int argc, char **argv, struct error *err)
{
    static const struct option options[] = {
        {"install", no_argument, NULL, 'i'},
        {"remove", no_argument, NULL, 'r'},
        {"directory", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct arguments arguments = {.directory = UNIT_DIRECTORY};
    int option = 0;

    while ((option = verb_option(argc, argv, options)) != -1) {
        if (option == 'h')
            return fputs(USAGE, stdout), 0;
        if (option == '?')
            return VERB_USAGE;
        if (option == 'd')
            arguments.directory = optarg;
        else
            *(option == 'i' ? &arguments.install : &arguments.remove) = true;
    }
    if (argc - optind != 1)
        return verb_usage("publish", "exactly one network is needed");
    if (arguments.install && arguments.remove)
        return verb_usage("publish", "--install and --remove are two things");
    arguments.network = argv[optind];
    return publish(&arguments, err);
}
