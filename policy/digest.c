/* SPDX-License-Identifier: Apache-2.0
 *
 * The digest by which a hub tells whether it runs this policy: FNV-1a, 64 bits, over everything that the
 * hub's rules are made of and nothing else, in the order of the sorted policy.
 *
 * It tells versions of a file apart that root wrote; nobody else can choose its input, so it need not
 * withstand an attacker. Every number is fed with a fixed width and every string with its NUL, every list
 * with its length: different policies never feed the same bytes. */
#include "policy/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Raised when the hub makes other rules from the same policy: a hub of the release before is then out of
 * date. */
enum { DIGEST_VERSION = 2 };

static void feed(uint64_t *state, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        *state = (*state ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
}

static void feed_number(uint64_t *state, uint32_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        feed(state, &(uint8_t){(uint8_t)(number >> shift)}, 1);
}

static void feed_role(uint64_t *state, const struct policy_role *role)
{
    feed(state, role->name, strlen(role->name) + 1);
    feed_number(state, role->addresses.first);
    feed_number(state, role->addresses.last);
    feed_number(state, role->reach_proxy);
    feed_number(state, (uint32_t)role->targets_count);
    for (size_t i = 0; i < role->targets_count; i++) {
        feed_number(state, role->targets[i].role);
        feed_number(state, role->targets[i].port);
    }
    feed_number(state, (uint32_t)role->publish_count);
    for (size_t i = 0; i < role->publish_count; i++) {
        feed_number(state, role->publish[i].host_address);
        feed_number(state, role->publish[i].host_port);
        feed_number(state, role->publish[i].member_port);
    }
}

void digest_policy(const struct policy *policy, char ret[POLICY_DIGEST_SIZE])
{
    uint64_t state = UINT64_C(0xcbf29ce484222325);

    feed_number(&state, DIGEST_VERSION);
    feed_number(&state, policy->subnet);
    feed_number(&state, policy->prefix);
    feed_number(&state, policy->proxy_address);
    feed_number(&state, policy->proxy_port);
    feed_number(&state, policy->proxy_at);
    /* Only where they are: a hub without them is no other than before. No number of roles is as large. */
    if (policy->proxy_sni != 0)
        feed_number(&state, policy->proxy_sni);
    if (policy->proxy_http != 0)
        feed_number(&state, policy->proxy_http);
    feed_number(&state, (uint32_t)policy->roles_count);
    for (size_t i = 0; i < policy->roles_count; i++)
        feed_role(&state, &policy->roles[i]);
    snprintf(ret, POLICY_DIGEST_SIZE, "%016" PRIx64, state);
}
