/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rootless.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
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

static char config_home[PATH_MAX];

void rootless_set_config_home(const char *path)
{
    if (path[0] != '/' || strlen(path) >= sizeof(config_home))
        path = "";
    memmove(config_home, path, strlen(path) + 1);
}

static void read_environment(void)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char path[PATH_MAX];

    if (config != NULL && config[0] == '/')
        rootless_set_config_home(config);
    else if (home != NULL && snprintf(path, sizeof(path), "%s/.config", home) < (int)sizeof(path))
        rootless_set_config_home(path);
}

const char *rootless_config_home(void)
{
    static bool asked;

    if (!asked && config_home[0] == '\0')
        read_environment();
    asked = true;
    return config_home[0] != '\0' ? config_home : NULL;
}
