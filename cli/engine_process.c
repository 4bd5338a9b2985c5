/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/engine_process.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "netns/tenants.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PROC_FILE_MAX = 1024 * 1024 };

static const long long NANOSECONDS = 1000L * 1000 * 1000;

static int read_of(pid_t pid, const char *what, char **ret_text, size_t *ret_length, struct error *err)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
    return file_read_at(AT_FDCWD, path, PROC_FILE_MAX, ret_text, ret_length, err);
}

/* By /proc/PID/status: it has one number only, so it is in the pid namespace that /proc shows. The name is
 * there too, but the kernel escapes what would end its line. */
static bool is_on_host(const char *status)
{
    static const char NUMBERS[] = "\nNSpid:\t";
    const char *numbers = strstr(status, NUMBERS);

    if (numbers == NULL)
        return false;
    numbers += strlen(NUMBERS);
    return numbers[strspn(numbers, "0123456789")] == '\n';
}

/* All four user ids. */
static bool is_of_root(const char *status)
{
    return strstr(status, "\nUid:\t0\t0\t0\t0\n") != NULL;
}

bool engine_process_on_host(pid_t pid)
{
    cleanup_free char *status = NULL;
    struct error ignored = {0};
    size_t length = 0;

    return read_of(pid, "status", &status, &length, &ignored) == 0 && is_on_host(status);
}

bool engine_process_is(pid_t pid, const char *name)
{
    cleanup_free char *comm = NULL;
    cleanup_free char *status = NULL;
    struct error ignored = {0};
    size_t length = 0;

    if (read_of(pid, "comm", &comm, &length, &ignored) < 0 ||
        read_of(pid, "status", &status, &length, &ignored) < 0)
        return false;
    comm[strcspn(comm, "\n")] = '\0';
    return strcmp(comm, name) == 0 && is_of_root(status) && is_on_host(status);
}

int engine_process_arguments(pid_t pid, struct engine_arguments *ret, struct error *err)
{
    return read_of(pid, "cmdline", &ret->text, &ret->length, err);
}

const char *engine_process_option(const struct engine_arguments *arguments, const char **argument,
                                  const char *name)
{
    size_t length = strlen(name);
    const char *next = *argument + strlen(*argument) + 1;

    if (strncmp(*argument, name, length) != 0)
        return NULL;
    if ((*argument)[length] == '=')
        return *argument + length + 1;
    if ((*argument)[length] != '\0' || next >= arguments->text + arguments->length)
        return NULL;
    *argument = next;
    return next;
}

static long long nanoseconds(clockid_t clock)
{
    struct timespec now = {0};

    clock_gettime(clock, &now);
    return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

int engine_process_start(pid_t pid, struct timespec *ret, struct error *err)
{
    cleanup_free char *text = NULL;
    size_t length = 0;
    uint64_t ticks = 0;
    long long start = 0;
    int result = read_of(pid, "stat", &text, &length, err);

    if (result < 0)
        return result;
    if (!tenants_parse_start(text, &ticks))
        return error_set(err, 0, "/proc/%d/stat has no start time", pid);
    start = (long long)(ticks * (uint64_t)(NANOSECONDS / sysconf(_SC_CLK_TCK))) -
            nanoseconds(CLOCK_BOOTTIME) + nanoseconds(CLOCK_REALTIME);
    *ret = (struct timespec){.tv_sec = start / NANOSECONDS, .tv_nsec = start % NANOSECONDS};
    return 0;
}
