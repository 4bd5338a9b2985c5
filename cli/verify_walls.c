/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_walls.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "netns/hub.h"
#include "netns/hub_foreign.h"
#include "netns/namespace.h"
#include "netns/uplink_look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    LOOKS = 3,
    PAUSE_MS = 100,
};

static int look_at_hub(const struct policy *policy, int hub, struct findings *findings, struct error *err)
{
    cleanup_free struct hub_member *members = NULL;
    size_t count = 0;
    int result = hub_check(policy, hub, err);

    if (result == -ESTALE)
        finding_add(findings, "policy-changed", "%s", err->text);
    if (result == 0 || result == -ESTALE)
        result = hub_members(hub, &members, &count, err);
    if (result == 0)
        result = hub_settings(hub, policy->network, members, count, findings, err);
    return result < 0 ? result : hub_foreign(hub, policy->network, policy, findings, err);
}

/* The first that means something, or NULL. */
static const struct finding *first_of(const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        if (strcmp(findings->list[i].kind, FINDING_UPLINK_SYSCTL) != 0)
            return &findings->list[i];
    return NULL;
}

/* Other containers start and end meanwhile, and one that is half made or half gone looks like a difference:
 * what is one stays. */
static int look(const struct policy *policy, int hub, int own, struct findings *findings, struct error *err)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000L * 1000};
    int result = namespace_leave_host(err); /* containers have had their use of it */

    for (int i = 0; i < LOOKS && result == 0 && (i == 0 || first_of(findings) != NULL); i++) {
        if (i > 0)
            nanosleep(&pause, NULL);
        *findings = (struct findings){0};
        result = look_at_hub(policy, hub, findings, err);
        if (result == 0)
            result = uplink_look(policy, true, hub, own, findings, err);
    }
    return result;
}

int verify_walls_add(const struct policy *policy, int hub, int own, struct verify_lines *lines,
                     struct error *err)
{
    static struct findings findings;
    struct verify_attempt attempt = {.group = (unsigned)verify_group_find(VERIFY_GROUP_ARRIVALS),
                                     .name = "walls",
                                     .tried = "control: hub and uplink are what Sallyport makes",
                                     .expect = VERIFY_OPEN,
                                     .saw = VERIFY_OPEN,
                                     .detail = "no rule, link or route differs"};
    int64_t begun = clock_milliseconds();
    const struct finding *first = NULL;
    int result = look(policy, hub, own, &findings, err);

    if (result < 0)
        return result;
    attempt.milliseconds = (double)(clock_milliseconds() - begun);
    first = first_of(&findings);
    if (first != NULL) {
        attempt.saw = VERIFY_CLOSED;
        snprintf(attempt.detail, sizeof(attempt.detail), "%s (%zu in all; `sallyport network show %s`)",
                 first->text, findings.count + findings.left_out, policy->network);
    }
    return verify_lines_add(lines, &attempt, err);
}
