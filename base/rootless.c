/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rootless.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <sys/ioctl.h>

/* The user's id outside, which root's inside stands for; the overflow id where it cannot be told, which has
 * no directory. */
static unsigned outside_id(void)
{
    cleanup_file FILE *map = fopen("/proc/self/uid_map", "re");
    unsigned inside = 0;
    unsigned outside = 0;

    while (map != NULL && fscanf(map, "%u %u %*u", &inside, &outside) == 2)
        if (inside == 0)
            return outside;
    return 65534;
}

static bool ask(void)
{
    cleanup_close int netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    cleanup_close int owner = -1;

    if (geteuid() != 0 || netns < 0)
        return false;
    owner = ioctl(netns, NS_GET_USERNS);
    return owner < 0 && errno == EPERM && outside_id() != 0;
}

bool rootless(void)
{
    static bool asked;
    static bool answer;

    if (!asked)
        answer = ask();
    asked = true;
    return answer;
}

const char *rootless_runtime_directory(void)
{
    static char path[32];

    if (path[0] == '\0')
        snprintf(path, sizeof(path), "run/user/%u", outside_id());
    return path;
}

const char *rootless_config_home(void)
{
    static char path[PATH_MAX];
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");

    if (config != NULL && config[0] == '/')
        return config;
    if (home == NULL || home[0] != '/' ||
        snprintf(path, sizeof(path), "%s/.config", home) >= (int)sizeof(path))
        return NULL;
    return path;
}
