/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/scenarios.h"

#include "base/cleanup.h"
#include "hook/selection.h"
#include "hook/status.h"
#include "netns/hub.h"
#include "netns/member.h"
#include "netns/namespace.h"
#include "netns/uplink_look.h"
#include "tests/faults/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ID "fault-container"

enum pretence scenario_pretence;

static struct error err;
static struct init init = {.netns = -1};
static int input = -1;
static int output = -1;
static int host = -1;
static char *rest;      /* the picture of the machine where the scenario begins */
static char *reference; /* what precreate prints without a fault */

static bool succeeded(const struct outcome *outcome)
{
    return WIFEXITED(outcome->status) && WEXITSTATUS(outcome->status) == 0;
}

/* What the kernel has of a sealed member. */

static const char *look_at_member(const struct scenario *scenario, struct policy *policy,
                                  const struct policy_role *role)
{
    cleanup_close int hub = hub_open(scenario->network, &err);
    cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, init.pid, 0);
    struct member_request request = {
        .policy = policy, .role = role, .id = ID, .hub = hub, .netns = init.netns, .host_netns = host};
    struct status status;

    if (hub < 0 || hub_check(policy, hub, &err) < 0)
        return "it succeeded, and the hub is not there or not at the policy";
    if (member_verify(&request, &err) < 0)
        return "it succeeded, and the member is not sealed";
    if (scenario->injects && (status_read(init.pid, pidfd, &status, &err) < 0 || !status.filtered))
        return "it succeeded, and the process has no filter";
    return NULL;
}

static const char *check_sealed(const struct scenario *scenario)
{
    static const char *const ROLES[][2] = {{"fixed", "gateway"}, {"proxy", "proxy"}};
    struct selection pin = {scenario->network, "agent"};
    const struct policy_role *role = NULL;
    struct policy policy;
    const char *wrong = NULL;

    for (size_t i = 0; i < array_size(ROLES); i++)
        if (strcmp(ROLES[i][0], scenario->bundle) == 0)
            pin.role = ROLES[i][1];
    if (selection_load(&pin, &pin, &policy, &role, &err) < 0)
        scene_die("%s", err.text);
    wrong = look_at_member(scenario, &policy, role);
    policy_free(&policy);
    return wrong;
}

/* Attaching. */

static void prepare_attach(const struct scenario *scenario)
{
    init_start(&init);
    input = scene_state(ID, "creating", init.pid, scenario->bundle);
}

static const char *settle(const struct scenario *scenario)
{
    if (scenario->down)
        scene_run((const char *const[]){"sallyport", "network", "down", scenario->network, NULL}, -1);
    return scene_settles(rest) ? NULL : "something is left";
}

/* The container's whole life without a fault. */
static const char *attach_again(const struct scenario *scenario)
{
    const char *wrong = NULL;

    prepare_attach(scenario);
    if (!scene_try(scenario->words, input))
        wrong = "the next start fails";
    close(input);
    if (wrong == NULL)
        wrong = check_sealed(scenario);
    if (!init_finish(&init) && wrong == NULL)
        wrong = "the next container does not end as it should";
    return wrong != NULL ? wrong : settle(scenario);
}

static const char *judge_attach(const struct scenario *scenario, const struct fault *fault,
                                const struct outcome *outcome)
{
    (void)fault;
    const char *wrong = init_is_held(&init) ? "the container's process is left stopped" : NULL;

    (void)fault;
    if (wrong == NULL && succeeded(outcome)) {
        wrong = check_sealed(scenario);
        if (!init_finish(&init) && wrong == NULL)
            wrong = "the container's process does not go on as it should";
        return wrong != NULL ? wrong : settle(scenario);
    }
    init_kill(&init);
    if (wrong == NULL)
        wrong = settle(scenario);
    return wrong != NULL ? wrong : attach_again(scenario);
}

/* poststop, with the namespace held by a descriptor, so that the link does not go by itself. */

static void prepare_detach(const struct scenario *scenario)
{
    prepare_attach(scenario);
    scene_run(scenario->words, input);
    close(input);
    kill(init.pid, SIGKILL);
    waitpid(init.pid, NULL, 0);
    input = scene_state(ID, "stopped", 0, scenario->bundle);
}

static bool has_link(const struct scenario *scenario)
{
    cleanup_close int hub = hub_open(scenario->network, &err);
    cleanup_free struct hub_member *members = NULL;
    size_t count = 0;

    if (hub < 0 || hub_members(hub, &members, &count, &err) < 0)
        scene_die("%s", err.text);
    for (size_t i = 0; i < count; i++)
        if (!members[i].host)
            return true;
    return false;
}

static const char *judge_detach(const struct scenario *scenario, const struct fault *fault,
                                const struct outcome *outcome)
{
    /* The link of a hub that the kernel says is not there is not expected to go. */
    bool denied = fault->error == ENOENT || fault->error == ENOTTY;
    const char *wrong =
        succeeded(outcome) && !denied && has_link(scenario) ? "it succeeded, and the link is there" : NULL;
    int state = scene_state(ID, "stopped", 0, scenario->bundle);

    if (wrong == NULL && has_link(scenario) && !scene_try(scenario->words, state))
        wrong = "the next poststop fails";
    close(state);
    if (wrong == NULL && has_link(scenario))
        wrong = "the link is there after the next poststop";
    close(init.hold);
    close(init.netns);
    init = (struct init){.netns = -1};
    return wrong != NULL ? wrong : settle(scenario);
}

/* precreate. */

static void prepare_edit(const struct scenario *scenario)
{
    char path[256];

    snprintf(path, sizeof(path), SCENE_DIRECTORY "/%s/config.json", scenario->bundle);
    input = open(path, O_RDONLY | O_CLOEXEC);
    output = memfd_create("config", MFD_CLOEXEC);
}

static const char *judge_edit(const struct scenario *scenario, const struct fault *fault,
                              const struct outcome *outcome)
{
    (void)fault;
    cleanup_free char *text = NULL;

    if (lseek(output, 0, SEEK_SET) != 0)
        scene_die("read the edited config");
    text = scene_read_fd(output);
    if (reference == NULL && succeeded(outcome) && strstr(text, "seccomp") != NULL)
        reference = strdup(text);
    if (succeeded(outcome) && (reference == NULL || strcmp(text, reference) != 0))
        return "it succeeded, and its output is another one";
    return settle(scenario);
}

/* The network. */

static const char *judge_up_network(const struct scenario *scenario)
{
    const struct selection network = {scenario->network, "agent"};
    cleanup_close int hub = hub_open(scenario->network, &err);
    const struct policy_role *role = NULL;
    struct findings findings = {0};
    struct policy policy;
    const char *wrong = NULL;

    if (selection_load(&network, &network, &policy, &role, &err) < 0)
        scene_die("%s", err.text);
    if (hub < 0 || hub_check(&policy, hub, &err) < 0)
        wrong = "the hub is not there or not at the policy";
    else if (uplink_look(&policy, true, hub, host, &findings, &err) < 0 || findings.count > 0)
        wrong = "the uplink is not as it is made";
    policy_free(&policy);
    return wrong;
}

static bool network(const struct scenario *scenario, const char *verb)
{
    return scene_try((const char *const[]){"sallyport", "network", verb, scenario->network, NULL}, -1);
}

static const char *judge_up(const struct scenario *scenario, const struct fault *fault,
                            const struct outcome *outcome)
{
    (void)fault;
    const char *wrong = NULL;

    /* Who was killed cannot tidy up: the next one takes over what is there. Who fails when the hub is already
     * there, complete, has not to take it away from whom it serves by then. */
    if (!succeeded(outcome) && !WIFSIGNALED(outcome->status) && judge_up_network(scenario) != NULL &&
        !scene_settles(rest))
        return "it failed, and something is left";
    if (!succeeded(outcome) && !network(scenario, "up"))
        return "the next up fails";
    wrong = judge_up_network(scenario);
    if (wrong != NULL)
        network(scenario, "down"); /* not the next point's fault */
    return wrong != NULL ? wrong : settle(scenario);
}

static void prepare_reload(const struct scenario *scenario)
{
    (void)scenario;
    scene_change_policy(true);
}

/* Whether the hub runs the policy that the file has now. */
static bool is_in_force(const struct scenario *scenario)
{
    const struct selection network_of = {scenario->network, "agent"};
    cleanup_close int hub = hub_open(scenario->network, &err);
    const struct policy_role *role = NULL;
    struct policy policy;
    bool result = false;

    if (selection_load(&network_of, &network_of, &policy, &role, &err) < 0)
        scene_die("%s", err.text);
    result = hub >= 0 && hub_check(&policy, hub, &err) == 0;
    policy_free(&policy);
    return result;
}

static const char *judge_reload(const struct scenario *scenario, const struct fault *fault,
                                const struct outcome *outcome)
{
    (void)fault;
    bool changed = is_in_force(scenario);
    bool old = false;

    scene_change_policy(false);
    old = is_in_force(scenario);
    if (changed == old)
        return "neither policy is in force, or both";
    if (succeeded(outcome) && old)
        return "it succeeded, and the old policy is in force";
    scene_change_policy(true);
    if (!network(scenario, "reload") || !is_in_force(scenario))
        return "the next reload fails";
    scene_change_policy(false);
    if (!network(scenario, "reload") || !is_in_force(scenario))
        return "the reload of the old policy fails";
    return settle(scenario);
}

static void prepare_down(const struct scenario *scenario)
{
    scene_run((const char *const[]){"sallyport", "network", "up", scenario->network, NULL}, -1);
}

static const char *judge_down(const struct scenario *scenario, const struct fault *fault,
                              const struct outcome *outcome)
{
    /* What the kernel says is not there is not expected to go before the next down. */
    if ((!succeeded(outcome) || fault->error == ENOENT) && !network(scenario, "down"))
        return "the next down fails";
    if (!scene_settles(rest))
        return "it is down, and something is left";
    if (!network(scenario, "up"))
        return "the next up fails";
    return settle(scenario);
}

/* The runtime, with a real one behind it: what it becomes is not played with. */

#define CREATE_WORDS                                                                              \
    {                                                                                             \
        "sallyport-runtime", "--network", SCENE_NETWORK, "--role", "agent", "create", "--bundle", \
            SCENE_DIRECTORY "/run", ID, NULL                                                      \
    }
#define START_WORDS                            \
    {                                          \
        "sallyport-runtime", "start", ID, NULL \
    }
static const char *const CREATE[] = CREATE_WORDS;
static const char *const START[] = START_WORDS;
static const char *const DELETE[] = {"sallyport-runtime", "delete", "--force", ID, NULL};

static void prepare_create(const struct scenario *scenario)
{
    (void)scenario;
    scene_make_runnable();
}

/* What the runtime says of it: "created", "running"; empty: nothing. Sets init to its process. */
static char *ask_runtime(void)
{
    cleanup_free char *state = scene_shell("runc state " ID " 2>/dev/null | jq -r '.status, .pid'");
    char path[64];

    init.pid = (pid_t)atoi(state + strcspn(state, "\n"));
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)init.pid);
    init.netns = init.pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    state[strcspn(state, "\n")] = '\0';
    return strdup(state);
}

static void forget_runtime(void)
{
    if (init.netns >= 0)
        close(init.netns);
    init = (struct init){.netns = -1};
}

static const char *check_created(const struct scenario *scenario, const char *status)
{
    cleanup_free char *state = ask_runtime();
    const char *wrong = strcmp(state, status) != 0 ? "it succeeded, and the container is not in that state"
                                                   : check_sealed(scenario);

    forget_runtime();
    return wrong;
}

static const char *delete_container(const struct scenario *scenario)
{
    if (!scene_try(DELETE, -1))
        return "the container cannot be deleted";
    prepare_create(scenario);
    return settle(scenario);
}

/* Nothing in the bundle that is neither the engine's nor one of our files. */
static bool has_leftover(void)
{
    cleanup_free char *names = scene_shell("ls -A " SCENE_DIRECTORY "/run | grep -vxE "
                                           "'config.json|rootfs|sallyport-(hosts|resolv.conf|.*)'");

    return names[0] != '\0';
}

static const char *live_again(const struct scenario *scenario)
{
    const char *wrong = NULL;

    if (!scene_try(CREATE, -1))
        return "the next create fails";
    wrong = check_created(scenario, "created");
    if (wrong == NULL && !scene_try(START, -1))
        wrong = "the next start fails";
    if (wrong == NULL)
        wrong = check_created(scenario, "running");
    return wrong != NULL ? wrong : delete_container(scenario);
}

static const char *judge_create(const struct scenario *scenario, const struct fault *fault,
                                const struct outcome *outcome)
{
    cleanup_free char *state = NULL;
    const char *wrong = NULL;

    if (succeeded(outcome)) {
        wrong = check_created(scenario, "created");
        return wrong != NULL ? wrong : delete_container(scenario);
    }
    state = ask_runtime();
    forget_runtime();
    if (state[0] != '\0')
        return "it failed, and there is a container";
    if (fault->error != INJECT_KILL && has_leftover())
        return "it failed, and something is left in the bundle";
    return live_again(scenario);
}

static void prepare_start(const struct scenario *scenario)
{
    prepare_create(scenario);
    scene_run(CREATE, -1);
}

static const char *judge_start(const struct scenario *scenario, const struct fault *fault,
                               const struct outcome *outcome)
{
    cleanup_free char *state = NULL;
    const char *wrong = NULL;

    (void)fault;
    if (succeeded(outcome)) {
        wrong = check_created(scenario, "running");
        return wrong != NULL ? wrong : delete_container(scenario);
    }
    state = ask_runtime();
    forget_runtime();
    if (strcmp(state, "running") == 0)
        return "it failed, and the container runs";
    wrong = delete_container(scenario);
    return wrong != NULL ? wrong : live_again(scenario);
}

/* An engine's process file asks for what the container has not. */
static void prepare_exec(const struct scenario *scenario)
{
    prepare_start(scenario);
    scene_run(START, -1);
    free(scene_shell(
        "echo '{\"args\": [\"/busybox\", \"grep\", \"Cap\", \"/proc/self/status\"], \"cwd\": \"/\", "
        "\"user\": {\"uid\": 0, \"gid\": 0}, \"capabilities\": {\"bounding\": [\"CAP_NET_RAW\"], "
        "\"effective\": [\"CAP_NET_RAW\"], \"permitted\": [\"CAP_NET_RAW\"]}}' >" SCENE_DIRECTORY
        "/process.json"));
    output = memfd_create("status", MFD_CLOEXEC);
}

static const char *judge_exec(const struct scenario *scenario, const struct fault *fault,
                              const struct outcome *outcome)
{
    cleanup_free char *text = NULL;

    (void)fault;
    if (lseek(output, 0, SEEK_SET) != 0)
        scene_die("read the process's status");
    text = scene_read_fd(output);
    free(scene_shell("rm " SCENE_DIRECTORY "/process.json"));
    if (succeeded(outcome) && strstr(text, "CapBnd:\t0000000000000000") == NULL)
        return "it succeeded, and the process has capabilities that the container has not";
    if (!succeeded(outcome) && text[0] != '\0')
        return "it failed, and the process ran";
    return delete_container(scenario);
}

#define HOOK                   \
    {                          \
        "sallyport-hook", NULL \
    }
#define NETWORK(VERB)                                     \
    {                                                     \
        "sallyport", "network", VERB, SCENE_NETWORK, NULL \
    }

const struct scenario SCENARIOS[] = {
    {"attach", SCENE_NETWORK, "edited", HOOK, false, false, prepare_attach, judge_attach},
    {"attach-inject", SCENE_NETWORK, "plain", HOOK, true, false, prepare_attach, judge_attach},
    {"attach-fixed", SCENE_NETWORK, "fixed", HOOK, true, false, prepare_attach, judge_attach},
    {"attach-proxy",
     SCENE_MEMBERS,
     "proxy",
     {"sallyport-hook", "--network", SCENE_MEMBERS, "--role", "proxy", NULL},
     true,
     false,
     prepare_attach,
     judge_attach},
    {"attach-first", SCENE_NETWORK, "plain", HOOK, true, true, prepare_attach, judge_attach},
    {"poststop", SCENE_NETWORK, "edited", HOOK, false, false, prepare_detach, judge_detach},
    {"precreate", SCENE_NETWORK, "plain", HOOK, false, false, prepare_edit, judge_edit},
    {"up", SCENE_NETWORK, NULL, NETWORK("up"), false, true, NULL, judge_up},
    {"reload", SCENE_NETWORK, NULL, NETWORK("reload"), false, false, prepare_reload, judge_reload},
    {"down", SCENE_NETWORK, NULL, NETWORK("down"), false, true, prepare_down, judge_down},
    {"create", SCENE_NETWORK, "run", CREATE_WORDS, false, false, prepare_create, judge_create},
    {"start", SCENE_NETWORK, "run", START_WORDS, false, false, prepare_start, judge_start},
    {"exec",
     SCENE_NETWORK,
     "run",
     {"sallyport-runtime", "exec", "--process", SCENE_DIRECTORY "/process.json", ID, NULL},
     false,
     false,
     prepare_exec,
     judge_exec},
};
const size_t SCENARIOS_COUNT = array_size(SCENARIOS);

void scenario_begin(const struct scenario *scenario)
{
    if (host < 0)
        host = namespace_open_own(&err);
    /* The first network leaves a lock file and a shared /run/netns for those that come. */
    if (!network(scenario, "up") || (scenario->down && !network(scenario, "down")))
        scene_die("the network does not come up");
    if (scenario->bundle != NULL && strcmp(scenario->bundle, "run") == 0)
        scene_make_runnable();
    rest = scene_picture();
}

void scenario_end(const struct scenario *scenario)
{
    free(rest);
    rest = NULL;
    free(reference);
    reference = NULL;
    if (!network(scenario, "down"))
        scene_die("the network does not go down");
}

static unsigned count_lines(const char *text)
{
    unsigned lines = 0;

    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

/* Calls by which the C library gets its first memory, before main: without it aborts. */
static bool is_of_libc(int call)
{
    return call == SYS_brk || call == SYS_mmap || call == SYS_arch_prctl;
}

/* What must hold of every program. A line cannot be asked of one that cannot write or that was killed. */
static const char *judge_end(const struct fault *fault, const struct outcome *outcome)
{
    bool mute = fault->error == INJECT_KILL || outcome->call == SYS_write || outcome->call == SYS_writev;

    if (outcome->hung)
        return "it hangs";
    if (outcome->left_process)
        return "it ended, and a process of it did not";
    if (WIFSIGNALED(outcome->status))
        return fault->error == INJECT_KILL || is_of_libc(outcome->call) ? NULL : "it died of a signal";
    /* The C library and the loader have their own words for what goes wrong before main. */
    if (WEXITSTATUS(outcome->status) == 127 &&
        (is_of_libc(outcome->call) || strstr(outcome->errors, "shared librar") != NULL))
        return NULL;
    if (WEXITSTATUS(outcome->status) > 1)
        return "it ended with a status that is neither 0 nor 1";
    if (WEXITSTATUS(outcome->status) == 1 && !mute && count_lines(outcome->errors) != 1)
        return "it failed without one line that says why";
    return NULL;
}

const char *scenario_play(const struct scenario *scenario, const struct fault *fault, struct outcome *ret,
                          int *calls)
{
    char path[4096];
    const char *wrong = NULL;
    const char *also_wrong = NULL;

    input = output = -1;
    if (scenario->prepare != NULL)
        scenario->prepare(scenario);
    strcpy(path, scene_program(scenario->words[0]));
    inject_run(path, (char **)(uintptr_t)scenario->words, input, output, fault, ret, calls);
    if (input >= 0)
        close(input);
    wrong = judge_end(fault, ret);
    if (scenario_pretence == PRETEND_SUCCESS)
        ret->status = 0;
    if (scenario_pretence == PRETEND_LEFTOVER)
        free(scene_shell("touch /run/leftover"));
    also_wrong = scenario->judge(scenario, fault, ret);
    if (output >= 0)
        close(output);
    return wrong != NULL ? wrong : also_wrong;
}
