/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/runtime_end.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "hook/runtime_state.h"
#include "hook/state.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>

enum { PATIENCE_MS = 2000 };

/* Whether the container waits, with that process as its init. */
static bool waits(const char *runtime, const struct command_line *command, pid_t pid)
{
    struct error unused = {0};
    cleanup_json json_t *document = NULL;
    struct state now;

    return runtime_state(runtime, command, &document, &unused) == 0 &&
           state_read(document, &now, &unused) == 0 && now.stage == STATE_ATTACH && now.pid == pid;
}

/* Until its parent has collected it: the engine's shim, which containerd asks about the container as soon as
 * it hears that the start has failed. */
static void await_end(int pidfd)
{
    const struct timespec pause = {.tv_nsec = 1000L * 1000};

    for (int i = 0; i < PATIENCE_MS && syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0; i++)
        nanosleep(&pause, NULL);
}

void runtime_end(const char *runtime, const struct command_line *command, pid_t pid)
{
    cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

    /* Asked once the pidfd is open: so it is no other process that has the number by now. */
    if (pidfd < 0 || !waits(runtime, command, pid))
        return;
    if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0)
        await_end(pidfd);
}
