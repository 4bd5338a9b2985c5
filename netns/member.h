/* SPDX-License-Identifier: Apache-2.0
 *
 * A member's side of a network: guard, link and routes, attached in one go and undone in one go.
 *
 * Order (it is the security argument): guard first, while no link exists; the link with its peer directly in
 * the member; the member's address and routes; the hub's side last. Nothing passes before the last step. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdint.h>

#define MEMBER_LINK "sp0"

struct member_request {
    const struct policy *policy;
    const struct policy_role *role;
    const char *id; /* the container's id, whole */
    int hub;        /* namespace descriptors, all borrowed */
    int netns;
    int host_netns;
};

/* Attaches the member. A fixed address that a dying predecessor still holds is waited for, at most 5 s; one
 * that a live container holds is refused, naming it. On failure everything this call made is gone again.
 *
 * *ret_address: the address the member got. */
int member_attach(const struct member_request *request, uint32_t *ret_address, struct error *err);

/* Deletes the hub link of the container, found by its altname. None is not an error. */
int member_detach(int hub, const char *id, struct error *err);

/* What a member's namespace looks like before or after attach. */
struct member_links {
    unsigned foreign; /* links that are neither lo nor sp0 and are not idle fallback tunnels (fact 18) */
    char first_foreign[16];
    bool sealed;      /* has an sp0 whose peer is in `hub` */
    uint32_t address; /* of sp0 if sealed */
};

/* Reads the links of `netns`. `hub` may be -1: then `sealed` stays false. */
int member_inspect(int netns, int hub, struct member_links *ret, struct error *err);
