/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of an attach, timed one by one: the same calls in the same order as hook/attach.c, with a clock
 * between them. Reads a state on standard input like the hook, takes the network as its argument, and writes
 * one line per step, "MICROSECONDS NAME". */
#include "base/cleanup.h"
#include "base/file.h"
#include "hook/document.h"
#include "hook/edit.h"
#include "hook/mounts.h"
#include "hook/network.h"
#include "hook/privileges.h"
#include "hook/refuse.h"
#include "hook/selection.h"
#include "hook/state.h"
#include "hook/voucher.h"
#include "netns/member.h"
#include "netns/namespace.h"
#include "seccomp/seccomp.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct error err;
static double last;

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int step(const char *name, int result)
{
    double end = now();

    if (result < 0) {
        fprintf(stderr, "steps: %s: %s\n", name, err.text);
        exit(1);
    }
    printf("%.1f %s\n", end - last, name);
    last = now();
    return result;
}

static json_t *read_state(struct state *state)
{
    char *text = NULL;
    json_t *document = NULL;
    size_t length = 0;
    int result = file_read_fd(STDIN_FILENO, "state", STATE_SIZE_MAX, &text, &length, &err);

    if (result == 0)
        result = document_parse(text, length, "state", &document, &err);
    if (result == 0)
        result = state_read(document, state, &err);
    step("read the state", result);
    free(text);
    return document;
}

static void attach(const struct state *state, const json_t *config, int bundle, const struct policy *policy,
                   const struct policy_role *role)
{
    struct member_request member = {.policy = policy, .role = role, .id = state->id};
    const struct seccomp_options options = edit_seccomp_options(role);
    struct member_links links;
    uint32_t address = 0;
    int pidfd = -1;
    bool implied = false;

    step("drop capabilities", privileges_keep_for_inspection(&err));
    member.host_netns = namespace_open_own(&err);
    step("open the process", namespace_open_process(state->pid, &pidfd, &member.netns, &err));
    step("refuse by process", refuse_process(state->pid, pidfd, config, &err));
    step("judge the mounts", mounts_check(state->pid, pidfd, config, bundle, role, &err));
    member.hub = step("open the hub", network_ensure(policy, member.host_netns, &err));
    step("look at the links", member_inspect(member.netns, member.hub, &links, &err));
    implied = voucher_implies(config, &options);
    step("compare the profile", 0);
    if (!implied)
        step("inject the filter", seccomp_inject(state->pid, pidfd, seccomp_filter(&options), &err));
    step("drop more capabilities", privileges_keep_for_links(&err));
    step("guard, link, routes", member_attach(&member, &address, &err));
}

int main(int argc, char **argv)
{
    const struct selection pin = {NULL, NULL};
    cleanup_json json_t *document = NULL;
    cleanup_json json_t *config = NULL;
    struct selection selection;
    struct policy policy;
    const struct policy_role *role = NULL;
    struct state state;
    int bundle = -1;

    if (argc != 2) {
        fputs("Usage: steps NETWORK <STATE\n", stderr);
        return 2;
    }
    last = now();
    document = read_state(&state);
    step("load config.json", voucher_load(state.bundle, &bundle, &config, &err));
    selection_choose(&(struct selection){argv[1], NULL}, NULL, &selection, &err);
    step("load the policy", selection_load(&pin, &selection, &policy, &role, &err));
    step("refuse by config", refuse_config(config, bundle, role, &err));
    attach(&state, config, bundle, &policy, role);
    return 0;
}
