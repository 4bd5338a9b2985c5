/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/status.h"

#include "base/cleanup.h"
#include "hook/process.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const uint64_t NETWORK = 1ULL << CAP_NET_ADMIN | 1ULL << CAP_NET_RAW;

enum { LINES = 7 }; /* five sets, NoNewPrivs, Seccomp */

/* Takes one line; returns 1 if it is one of those that are looked for. */
static int take_line(const char *line, struct status *status)
{
    unsigned long long set = 0;
    int value = 0;

    if (sscanf(line, "Cap%*3[A-Za-z]: %llx", &set) == 1) {
        status->network_capabilities |= (set & NETWORK) != 0;
        return 1;
    }
    if (sscanf(line, "NoNewPrivs: %d", &value) == 1) {
        status->no_new_privileges = value != 0;
        return 1;
    }
    if (sscanf(line, "Seccomp: %d", &value) == 1) {
        status->filtered = value == 2; /* SECCOMP_MODE_FILTER */
        return 1;
    }
    return 0;
}

bool status_parse(FILE *file, struct status *ret)
{
    char line[256];
    struct status status = {0};
    int found = 0;

    while (fgets(line, sizeof(line), file) != NULL)
        found += take_line(line, &status);
    if (ferror(file) != 0 || found != LINES)
        return false;
    *ret = status;
    return true;
}

int status_read(pid_t pid, int pidfd, struct status *ret, struct error *err)
{
    char path[64];
    cleanup_file FILE *file = NULL;
    struct status status;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return error_set(err, errno, "open %s", path);
    if (!status_parse(file, &status))
        return error_set(err, EIO, "read %s", path);
    if (process_ended(pidfd))
        return error_set(err, ESRCH, "look at process %d", (int)pid);
    *ret = status;
    return 0;
}
