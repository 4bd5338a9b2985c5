/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport explain: whether a role may reach a host, by which line of the policy, or by which wall not. It
 * reads the policy file and sends nothing. */
#include "cli/explain_answer.h"
#include "cli/explain_target.h"
#include "cli/verb.h"
#include "hook/document.h"
#include "policy/policy.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char USAGE[] =
    "Usage: sallyport explain [--network NETWORK] ROLE HOST[:PORT] [--json]\n"
    "\n"
    "Tells whether a member of the role can open a TCP connection: allowed, by which line of the policy, or\n"
    "refused, by which wall, and what would allow it. Reads the policy file only and sends nothing; that "
    "the\n"
    "file is in force, `sallyport network show` tells.\n"
    "\n"
    "  HOST           a name, an IPv4 or [IPv6] address, `proxy`, or a role. PORT is 443 unless given, and "
    "the\n"
    "                 proxy's own for `proxy`; a role has to be given one\n"
    "  --network NETWORK\n"
    "                 the network that the role belongs to (default: default)\n"
    "  --json         the same as one JSON object\n"
    "\n"
    "Exit status: 0 if allowed, 2 if refused, 1 if there is no answer (no such role, a bad policy file).\n";

struct arguments {
    const char *network;
    const char *role;
    const char *host;
    bool json;
};

static const char *way_in_words(const char *way)
{
    if (strcmp(way, "proxy") == 0)
        return "through the proxy";
    if (strcmp(way, "engine") == 0)
        return "by the engine's links";
    return strcmp(way, "direct") == 0 ? "directly" : "on loopback";
}

static void print_text(const char *role, const struct target *target, const struct answer *answer)
{
    const bool line = answer->line[0] != '\0';
    const bool reason = answer->reason[0] != '\0';

    if (answer->allowed)
        printf("allowed: %s to %s, %s: ", role, target->text, way_in_words(answer->way));
    else
        printf("refused: %s to %s, by %s%s: ", role, target->text,
               strncmp(answer->wall, "routes", 6) == 0 ? "" : "the ", answer->wall);
    printf("%s%s%s", answer->line, line && reason ? "; " : "", answer->reason);
    printf("%s%s\n", answer->advice[0] != '\0' ? "; " : "", answer->advice);
}

/* An empty text is null: there is no such thing. */
static json_t *text_or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? json_string(text) : json_null();
}

static int print_json(const char *network, const char *role, const struct target *target,
                      const struct answer *answer, struct error *err)
{
    cleanup_json json_t *document = json_pack(
        "{s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "network", network, "role", role, "target",
        target->text, "allowed", answer->allowed, "pass_through", answer->passed, "way",
        text_or_null(answer->way), "wall", text_or_null(answer->wall), "line", text_or_null(answer->line),
        "reason", text_or_null(answer->reason), "advice", text_or_null(answer->advice));

    if (document == NULL || json_dumpf(document, stdout, JSON_INDENT(2)) < 0)
        return error_set(err, 0, "write the answer as JSON");
    putchar('\n');
    return 0;
}

static int complain_role(const struct policy *policy, const char *role, struct error *err)
{
    char known[POLICY_ROLES_MAX * (POLICY_NAME_SIZE + 1) + 1] = "";

    for (size_t i = 0; i < policy->roles_count; i++) {
        strcat(known, " ");
        strcat(known, policy->roles[i].name);
    }
    error_set(err, 0, "role `%s`: there is no such role in network %s", role, policy->network);
    return error_advise(err, "its roles are:%s%s", known,
                        policy->proxy_at == POLICY_PROXY_AT_MEMBER ? " " POLICY_PROXY_ROLE : "");
}

static int answer(const struct policy *policy, const struct arguments *arguments, struct error *err)
{
    const struct policy_role *role = policy_role_find(policy, arguments->role);
    struct target target;
    struct answer answer;
    int result = 0;

    if (role == NULL)
        return complain_role(policy, arguments->role, err);
    result = target_parse(policy, arguments->host, &target, err);
    if (result < 0)
        return result;
    answer_make(policy, role, &target, &answer);
    if (arguments->json)
        result = print_json(policy->network, role->name, &target, &answer, err);
    else
        print_text(role->name, &target, &answer);
    if (result == 0)
        result = verb_flush_output(err);
    return result == 0 && !answer.allowed ? VERB_REFUSED : result;
}

int verb_explain(int argc, char **argv, struct error *err)
{
    static const struct option options[] = {
        {"network", required_argument, NULL, 'n'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct arguments arguments = {.network = POLICY_DEFAULT_NETWORK};
    struct policy policy;
    int option = 0;
    int result = 0;

    while ((option = verb_option(argc, argv, options)) != -1) {
        if (option == 'h')
            return fputs(USAGE, stdout), 0;
        if (option == '?')
            return VERB_USAGE;
        if (option == 'n')
            arguments.network = optarg;
        else
            arguments.json = true;
    }
    if (argc - optind != 2)
        return verb_usage("explain", "a role and a host are needed");
    arguments.role = argv[optind];
    arguments.host = argv[optind + 1];
    result = verb_load_policy(arguments.network, &policy, err);
    if (result < 0)
        return result;
    result = answer(&policy, &arguments, err);
    policy_free(&policy);
    return result;
}
