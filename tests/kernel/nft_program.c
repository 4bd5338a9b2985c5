/* SPDX-License-Identifier: Apache-2.0 */
#include "nft_program.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define NFT "/usr/sbin/nft"

static int spawn(const char *command, int debug, int output, pid_t *ret_pid)
{
    char *plain[] = {(char[]){NFT}, (char *)(size_t)command, NULL};
    char *debugging[] = {(char[]){NFT}, (char[]){"--debug=netlink"}, (char *)(size_t)command, NULL};
    posix_spawn_file_actions_t actions;
    int result = 0;

    posix_spawn_file_actions_init(&actions);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    result = posix_spawn(ret_pid, NFT, &actions, NULL, debug ? debugging : plain, NULL);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

static int wait_for(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int nft_program(const char *command)
{
    pid_t pid = 0;

    return spawn(command, 0, -1, &pid) == 0 ? wait_for(pid) : -1;
}

int nft_program_output(const char *command, int debug, char *output, size_t size)
{
    int ends[2];
    size_t length = 0;
    ssize_t n = 1;
    pid_t pid = 0;
    int started = 0;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    started = spawn(command, debug, ends[1], &pid);
    close(ends[1]);
    while (started == 0 && n > 0 && length < size - 1) {
        n = read(ends[0], output + length, size - 1 - length);
        length += n > 0 ? (size_t)n : 0;
    }
    output[length] = '\0';
    close(ends[0]);
    return started == 0 ? wait_for(pid) : -1;
}
