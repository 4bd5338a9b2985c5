/* SPDX-License-Identifier: Apache-2.0 */
#include "base/program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int program_path(const char *name, char ret_path[PATH_MAX], struct error *err)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (length < 0)
        return error_set(err, errno, "find the path of this program");
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    if (snprintf(ret_path, PATH_MAX, "%s/%s", self, name) >= PATH_MAX)
        return error_set(err, ENAMETOOLONG, "find %s", name);
    return 0;
}
