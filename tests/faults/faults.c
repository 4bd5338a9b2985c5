/* SPDX-License-Identifier: Apache-2.0
 *
 * faults [--every K] [--at N] [--only requests] [SCENARIO...]: every system call of our programs fails once,
 * by every error that it can give, and every one is the last before SIGKILL; and the kernel refuses every
 * request that they send over netlink. After each the container is sealed or was not started, nothing is
 * left, and the next start works.
 *
 * With --every K only every K-th point is played, a point being a call and an error, or a request. Run it by
 * tests/faults/run. */
#include "base/cleanup.h"
#include "tests/faults/scenarios.h"
#include "tests/faults/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct count {
    unsigned points;
    unsigned sealed; /* it went on to its end all the same */
    unsigned failed;
    unsigned killed;
    unsigned wrong;
};

static int calls[INJECT_CALLS_MAX];

static struct {
    unsigned every;
    unsigned at; /* 0: at every call and request */
    bool only_requests;
    enum pretence pretence;
} options = {.every = 1};

static void tell(const struct scenario *scenario, const struct fault *fault, const struct outcome *outcome,
                 const char *wrong)
{
    if (fault->error == INJECT_REFUSE)
        printf("    WRONG %s: request %u, refused: %s\n", scenario->name, fault->at, wrong);
    else
        printf("    WRONG %s: call %u, %s, %s: %s\n", scenario->name, fault->at, inject_name(outcome->call),
               fault->error == INJECT_KILL ? "SIGKILL" : strerrorname_np(fault->error), wrong);
    if (outcome->errors[0] != '\0')
        printf("      it said: %s", outcome->errors);
    fflush(stdout);
}

static void play(const struct scenario *scenario, const struct fault *fault, struct count *count)
{
    struct outcome outcome;
    const char *wrong = scenario_play(scenario, fault, &outcome, NULL);

    count->points++;
    if (WIFSIGNALED(outcome.status))
        count->killed++;
    else if (WEXITSTATUS(outcome.status) == 0)
        count->sealed++;
    else
        count->failed++;
    if (wrong == NULL)
        return;
    count->wrong++;
    tell(scenario, fault, &outcome, wrong);
}

static bool is_wanted(unsigned at, unsigned point)
{
    return point % options.every == 0 && (options.at == 0 || options.at == at);
}

static unsigned play_all(const struct scenario *scenario)
{
    struct count count = {0};
    struct outcome clean;
    unsigned point = 0;
    const char *wrong = NULL;

    scenario_begin(scenario);
    wrong = scenario_play(scenario, &(struct fault){0}, &clean, calls);
    if (wrong != NULL || clean.status != 0 || clean.calls < 10)
        scene_die("%s without a fault: %s: %s", scenario->name, wrong != NULL ? wrong : "failed",
                  clean.errors);
    scenario_pretence = options.pretence;
    for (unsigned at = 1; !options.only_requests && at <= clean.calls; at++) {
        const int *errors = inject_errors(calls[at - 1]);

        for (; *errors != 0; errors++)
            if (is_wanted(at, point++))
                play(scenario, &(struct fault){at, *errors}, &count);
        if (is_wanted(at, point++))
            play(scenario, &(struct fault){at, INJECT_KILL}, &count);
    }
    for (unsigned at = 1; at <= clean.requests; at++)
        if (is_wanted(at, point++))
            play(scenario, &(struct fault){at, INJECT_REFUSE}, &count);
    scenario_pretence = PRETEND_NOTHING;
    scenario_end(scenario);
    printf("    %-16s %5u calls, %3u requests, %5u points of %5u: %5u went on, %5u refused, %5u killed, %u "
           "wrong\n",
           scenario->name, clean.calls, clean.requests, count.points, point, count.sealed, count.failed,
           count.killed, count.wrong);
    fflush(stdout);
    return count.wrong;
}

static const struct scenario *find(const char *name)
{
    for (size_t i = 0; i < SCENARIOS_COUNT; i++)
        if (strcmp(SCENARIOS[i].name, name) == 0)
            return &SCENARIOS[i];
    fprintf(stderr, "faults: no scenario `%s`\n", name);
    exit(2);
}

/* The build directory: three above this program. */
static const char *find_programs(void)
{
    static char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (length < 0)
        scene_die("find the programs");
    path[length] = '\0';
    for (int i = 0; i < 3; i++)
        *strrchr(path, '/') = '\0';
    return path;
}

/* Returns the index of the first scenario. */
static int take_options(int argc, char **argv)
{
    int i = 1;

    for (; i + 1 < argc && argv[i][0] == '-'; i += 2)
        if (strcmp(argv[i], "--every") == 0)
            options.every = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--at") == 0)
            options.at = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--only") == 0 && strcmp(argv[i + 1], "requests") == 0)
            options.only_requests = true;
        else if (strcmp(argv[i], "--pretend") == 0)
            options.pretence = strcmp(argv[i + 1], "success") == 0 ? PRETEND_SUCCESS : PRETEND_LEFTOVER;
        else
            break;
    if (options.every == 0 || (i < argc && argv[i][0] == '-'))
        scene_die("usage: faults [--every K] [--at N] [--only requests] [--pretend success|leftover] "
                  "[SCENARIO...]");
    return i;
}

int main(int argc, char **argv)
{
    int first = take_options(argc, argv);
    unsigned wrong = 0;

    scene_set_up(find_programs());
    for (int i = first; i < argc; i++)
        wrong += play_all(find(argv[i]));
    for (size_t i = 0; first == argc && i < SCENARIOS_COUNT; i++)
        wrong += play_all(&SCENARIOS[i]);
    return wrong > 0 ? 1 : 0;
}
