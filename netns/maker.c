/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/maker.h"

#include "base/cleanup.h"
#include "netns/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The kernel ends the way: there is no parent that we may see above our own. */
int maker_find(int users, int own, uid_t *ret, struct error *err)
{
    cleanup_close int at = fcntl(users, F_DUPFD_CLOEXEC, 0);
    uid_t maker = geteuid();

    while (maker == geteuid() && !namespace_same(at, own)) {
        int parent = -1;

        if (ioctl(at, NS_GET_OWNER_UID, &maker) < 0 || (parent = ioctl(at, NS_GET_PARENT)) < 0)
            return error_set(err, errno, "ask who made a user namespace");
        close(at);
        at = parent;
    }
    *ret = maker;
    return 0;
}
