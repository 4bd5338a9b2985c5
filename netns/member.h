/* SPDX-License-Identifier: Apache-2.0
 *
 * A member's side of a network: guard, link and routes, attached in one go and undone in one go.
 *
 * Order (it is the security argument): guard first, while no link exists; the link with its peer directly in
 * the member; the member's address and routes; the hub's side last. Nothing passes before the last step. */
#pragma once

#include "base/error.h"
#include "netns/link.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdint.h>

#define MEMBER_LINK "sp0"
#define MEMBER_ALTNAME_PREFIX "c-" /* of the hub link's altname, before the container's id */

struct member_request {
    const struct policy *policy;
    const struct policy_role *role;
    const char *id; /* the container's id, whole */
    int hub;        /* namespace descriptors, all borrowed */
    int netns;
    int host_netns; /* the caller's thread, the only one, is there, and is again on return */
};

/* Attaches the member. A fixed address that a dying predecessor still holds is waited for, at most 5 s; one
 * that a live container holds is refused, naming it, and so is an id that is attached already. While this
 * works the network can be neither reloaded nor taken down (netns/pin.h).
 *
 * On failure everything this call made is gone again, but for the guard, which denies and does not harm.
 * *ret_address: the address the member got. */
int member_attach(const struct member_request *request, uint32_t *ret_address, struct error *err);

/* Retires the hub link of the container (link_retire), found by its altname, so that a descriptor that
 * outlives the container cannot speak with its address. None is not an error. Takes CAP_SYS_PTRACE. Returns 1
 * where that has left something for member_tidy, else 0.
 *
 * The link is left alone, and -EBUSY returned, while somebody lives behind it: runtimes run these hooks also
 * for a container that was refused because another one has its id, and a container may share the namespace of
 * the one that was attached. What is left goes with its namespace, when the last process there ends; what a
 * stray descriptor still holds then, when the id is attached again. -EACCES: it cannot be seen who lives
 * there. */
int member_detach(int hub, const char *id, struct error *err);

/* Deletes what has been retired in the hub. That takes the kernel 20 ms and nobody depends on it, so it is
 * done in a process of its own, for which nobody waits. */
void member_tidy(int hub);

/* The altname of the container's hub link: "c-<id>", or for an id of more than 120 characters its beginning
 * and a 128-bit hash. (Who can choose ids can make two that collide; the second is then refused.) */
void member_altname(const char *id, char ret_altname[LINK_ALTNAME_SIZE]);

/* What a member's namespace looks like before or after attach. */
struct member_links {
    unsigned foreign; /* links that are neither lo nor sp0 and are not idle fallback tunnels (fact 18) */
    char first_foreign[16];
    bool sealed;      /* has an sp0 whose peer is in `hub` */
    uint32_t address; /* of sp0 if sealed */
};

/* Reads the links of `netns`. `hub` may be -1: then `sealed` stays false. */
int member_inspect(int netns, int hub, struct member_links *ret, struct error *err);

/* Deletes every foreign link of the namespace, and every route and routing rule that neither the kernel nor
 * member_attach made. One that cannot be deleted (a physical device) is an error. */
int member_remove_foreign(int netns, struct error *err);

/* Checks a member just before its first instruction: sp0 is up, leads to the hub and has the address of its
 * hub link, which belongs to the role; the guard is as it was installed; and (but for the proxy and roles
 * that keep their other links) there is no other link, no other route and no other routing rule than ours. */
int member_verify(const struct member_request *request, struct error *err);
