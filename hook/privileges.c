/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/privileges.h"

#include "base/cleanup.h"

#include <errno.h>
#include <sys/capability.h>
#include <sys/prctl.h>

static int keep(const cap_value_t *values, int count, struct error *err)
{
    cap_t wanted = cap_init();
    int result = 0;

    if (wanted == NULL)
        return error_set(err, errno, "drop capabilities");
    if (cap_set_flag(wanted, CAP_PERMITTED, count, values, CAP_SET) < 0 ||
        cap_set_flag(wanted, CAP_EFFECTIVE, count, values, CAP_SET) < 0 || cap_set_proc(wanted) < 0) {
        result = error_set(err, errno, "drop capabilities");
        if (err->number == EPERM)
            error_advise(err, "run as root with CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE, "
                              "CAP_SYS_CHROOT and CAP_DAC_READ_SEARCH");
    }
    cap_free(wanted);
    return result;
}

int privileges_keep_for_inspection(struct error *err)
{
    /* CAP_DAC_READ_SEARCH: mounted directories belong to anybody (hook/mounts.h). */
    static const cap_value_t values[] = {CAP_SYS_ADMIN, CAP_SYS_CHROOT, CAP_NET_ADMIN, CAP_SYS_PTRACE,
                                         CAP_DAC_READ_SEARCH};

    /* Nothing is executed from here on, and nothing may gain by it. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_set(err, errno, "set no_new_privs");
    return keep(values, array_size(values), err);
}

int privileges_keep_for_links(struct error *err)
{
    static const cap_value_t values[] = {CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE};

    return keep(values, array_size(values), err);
}
