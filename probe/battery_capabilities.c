/* SPDX-License-Identifier: Apache-2.0
 *
 * Group "capabilities": none in any set with which a process could make itself a way out, now or after an
 * exec. */
#include "probe/battery.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    unsigned number;
} CAPABILITIES[] = {
    {"net-raw", CAP_NET_RAW},
    {"net-admin", CAP_NET_ADMIN},
    {"sys-admin", CAP_SYS_ADMIN},
    {"sys-ptrace", CAP_SYS_PTRACE},
    {"sys-module", CAP_SYS_MODULE},
    {"sys-rawio", CAP_SYS_RAWIO},
    {"bpf", CAP_BPF},
    {"perfmon", CAP_PERFMON},
};

/* The lines of /proc/self/status. */
static const char *const SETS[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};

struct member {
    unsigned capability;
    const char *set;
};

static void run_member(const struct battery *battery, const void *data, struct answer *ret)
{
    const struct member *member = data;
    FILE *file = fopen("/proc/self/status", "re");
    char line[512];
    unsigned long long mask = 0;
    (void)battery;

    answer_say(ret, SEEN_IMPOSSIBLE, "/proc/self/status does not say");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, member->set, strlen(member->set)) == 0 &&
            sscanf(line + strlen(member->set), ":%llx", &mask) == 1)
            answer_say(ret, (mask >> member->capability & 1) != 0 ? SEEN_OPEN : SEEN_CLOSED, "%s is %llx",
                       member->set, mask);
    if (file != NULL)
        fclose(file);
}

void battery_capabilities(struct battery *battery)
{
    for (size_t i = 0; i < array_size(CAPABILITIES); i++)
        for (size_t j = 0; j < array_size(SETS); j++) {
            const struct member member = {CAPABILITIES[i].number, SETS[j]};
            char name[64];
            char tried[64];

            snprintf(name, sizeof(name), "%s-%s", CAPABILITIES[i].name, SETS[j]);
            snprintf(tried, sizeof(tried), "%s in the set %s", CAPABILITIES[i].name, SETS[j]);
            battery_try(battery,
                        &(struct attempt){.name = name, .tried = tried, .run = run_member, .data = &member});
        }
    for (size_t i = 0; i < array_size(CAPABILITIES); i++)
        battery_file_capability(battery, CAPABILITIES[i].name, CAPABILITIES[i].number);
}

int probe_capability(struct arguments *arguments)
{
    uint64_t number = parse_number(arguments_operands(arguments, 1)[0]);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
    struct timespec begun = attempt_begin();
    int error = 0;

    if (number > CAP_LAST_CAP)
        usage("no capability has number %s", arguments->values[0]);
    if (syscall(SYS_capget, &header, sets) < 0)
        error = errno;
    else if ((sets[CAP_TO_INDEX(number)].permitted & CAP_TO_MASK(number)) == 0)
        error = EPERM;
    return report("capability", error, &begun, NULL);
}
