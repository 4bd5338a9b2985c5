/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/caller_stderr.h"

#include "base/cleanup.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static bool is_null_device(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

void caller_stderr_adopt(void)
{
    cleanup_close int parent = -1;
    cleanup_close int fd = -1;

    if (!is_null_device(STDERR_FILENO))
        return;
    /* The open file itself, not another of its name: a file is then written to where the parent is, and a
     * socket (the journal's) cannot be opened at all. */
    parent = (int)syscall(SYS_pidfd_open, getppid(), 0);
    fd = parent >= 0 ? (int)syscall(SYS_pidfd_getfd, parent, STDERR_FILENO, 0) : -1;
    if (fd < 0)
        return;
    signal(SIGPIPE, SIG_IGN);
    dup2(fd, STDERR_FILENO); /* on failure the old one is still there */
}
