/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_walls.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "netns/hub.h"
#include "netns/hub_foreign.h"
#include "netns/uplink_look.h"

#include <errno.h>
#include <stdio.h>

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

int verify_walls_add(const struct policy *policy, int hub, int own, struct verify_lines *lines,
                     struct error *err)
{
    static struct findings findings;
    struct verify_attempt attempt = {.group = (unsigned)verify_group_find(VERIFY_GROUP_ARRIVALS),
                                     .name = "walls",
                                     .tried = "control: hub and uplink are what Sallyport makes",
                                     .expect = VERIFY_OPEN,
                                     .saw = VERIFY_OPEN,
                                     .detail = "no rule, link, route or setting differs"};
    int64_t begun = clock_milliseconds();
    int result = 0;

    findings = (struct findings){0};
    result = look_at_hub(policy, hub, &findings, err);
    if (result == 0)
        result = uplink_look(policy, true, hub, own, &findings, err);
    if (result < 0)
        return result;
    attempt.milliseconds = (double)(clock_milliseconds() - begun);
    if (findings.count > 0) {
        attempt.saw = VERIFY_CLOSED;
        snprintf(attempt.detail, sizeof(attempt.detail), "%s (%zu in all; `sallyport network show %s`)",
                 findings.list[0].text, findings.count + findings.left_out, policy->network);
    }
    return verify_lines_add(lines, &attempt, err);
}
