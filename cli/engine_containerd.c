/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/engine_containerd.h"

#include "base/cleanup.h"
#include "cli/engine_process.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Who listens at the socket, which the kernel knows; 0 if nobody does. */
static pid_t listener(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {0};
    socklen_t length = sizeof(peer);
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
        return 0;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const void *)&address, sizeof(address)) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return 0;
    return peer.pid;
}

int engine_containerd_find(const char *socket_path, struct engine_containerd *ret, struct error *err)
{
    struct engine_containerd containerd = {.pid = listener(socket_path)};
    struct engine_arguments arguments = {0};
    int result = 0;

    if (containerd.pid == 0 || !engine_process_is(containerd.pid, "containerd")) {
        *ret = (struct engine_containerd){0};
        return 0;
    }
    result = engine_process_arguments(containerd.pid, &arguments, err);
    if (result == 0)
        result = engine_process_start(containerd.pid, &containerd.start, err);
    snprintf(containerd.config, sizeof(containerd.config), "/etc/containerd/config.toml");
    for (const char *at = arguments.text; result == 0 && at < arguments.text + arguments.length;
         at += strlen(at) + 1) {
        const char *value = engine_process_option(&arguments, &at, "--config");

        if (value == NULL)
            value = engine_process_option(&arguments, &at, "-c");
        if (value != NULL)
            snprintf(containerd.config, sizeof(containerd.config), "%s", value);
    }
    free(arguments.text);
    if (result == 0)
        *ret = containerd;
    return result;
}
