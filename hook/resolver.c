/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/resolver.h"

#include "base/cleanup.h"
#include "hook/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

enum { RESOLVER = 0x7f00000b };

/* "  sl: ADDRESS:PORT ...", the address in the memory order of the machine. */
bool resolver_is_in(FILE *table)
{
    char line[512];
    unsigned address = 0;
    bool found = false;

    while (fgets(line, sizeof(line), table) != NULL)
        found = found || (sscanf(line, " %*u: %8x:", &address) == 1 && ntohl(address) == RESOLVER);
    return found;
}

static int scan(pid_t pid, const char *table, bool *ret, struct error *err)
{
    char path[64];
    cleanup_file FILE *file = NULL;

    snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, table);
    file = fopen(path, "re");
    if (file == NULL)
        return error_set(err, errno, "open %s", path);
    *ret = resolver_is_in(file) || *ret;
    return ferror(file) != 0 ? error_set(err, EIO, "read %s", path) : 0;
}

int resolver_listens(pid_t pid, int pidfd, bool *ret, struct error *err)
{
    bool listens = false;
    int result = scan(pid, "udp", &listens, err);

    if (result == 0)
        result = scan(pid, "tcp", &listens, err);
    if (result == 0 && process_ended(pidfd))
        result = error_set(err, ESRCH, "look at process %d", (int)pid);
    if (result == 0)
        *ret = listens;
    return result;
}
