/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes as /proc/PID/mountinfo. It is understood as a whole or refused, and what a path is
 * called decides nothing about where its text ends. */
#include "hook/mountinfo.h"
#include "base/cleanup.h"
#include "require.h"

#include <fcntl.h>
#include <string.h>

static char directory[] = "/dev/shm/sallyport-fuzz-XXXXXX";
static int directory_fd = -1;

static void remove_directory(void)
{
    unlinkat(directory_fd, "mountinfo", 0);
    rmdir(directory);
}

static void write_file(const uint8_t *data, size_t size)
{
    cleanup_close int fd = -1;

    if (directory_fd < 0) {
        require(mkdtemp(directory) != NULL);
        directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        atexit(remove_directory);
    }
    fd = openat(directory_fd, "mountinfo", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_mountinfo struct mountinfo list = {.text = NULL};
    struct error err = {.number = 0};
    size_t length = 0;

    write_file(data, size);
    if (mountinfo_read(directory_fd, &list, &err) < 0) {
        require(err.text[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < list.count; i++) {
        const struct mountinfo_entry *entry = &list.entries[i];
        const char *below = mountinfo_below(entry->point, "/run");

        length += strlen(entry->device) + strlen(entry->point) + strlen(entry->type) + strlen(entry->options);
        require(below == NULL || below[0] == '\0' || below[0] == '/');
    }
    require(length <= size);
    return 0;
}
