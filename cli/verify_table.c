/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_table.h"

#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const VERDICTS[VERIFY_VERDICTS] = {"ok", "LEAK", "BROKEN", "i", "-"};
static const char *const KEYS[VERIFY_VERDICTS] = {"ok", "leak", "broken", "told", "impossible"};

#define RED "\033[1;31m"
#define PLAIN "\033[0m"

void verify_count(const struct verify_lines *lines, size_t ret_counts[VERIFY_VERDICTS])
{
    memset(ret_counts, 0, VERIFY_VERDICTS * sizeof(*ret_counts));
    for (size_t i = 0; i < lines->count; i++)
        ret_counts[verify_judge(&lines->attempts[i])]++;
}

static bool is_fault(const struct verify_attempt *attempt)
{
    enum verify_verdict verdict = verify_judge(attempt);

    return verdict == VERIFY_VERDICT_LEAK || verdict == VERIFY_VERDICT_BROKEN;
}

static void print_attempt(const struct verify_attempt *attempt, const char *group, bool colour)
{
    bool red = colour && is_fault(attempt);

    printf("  %s%-6s%s %s%s%-24s %-48s %s%s%s %.2f ms\n", red ? RED : "", VERDICTS[verify_judge(attempt)],
           red ? PLAIN : "", group, group[0] != '\0' ? " " : "", attempt->name, attempt->tried,
           verify_saw_name(attempt->saw), attempt->detail[0] != '\0' ? ": " : "", attempt->detail,
           attempt->milliseconds);
}

static void print_group(const struct verify_view *view, unsigned group)
{
    bool begun = false;

    for (size_t i = 0; i < view->lines->count; i++) {
        if (view->lines->attempts[i].group != group)
            continue;
        if (!begun)
            printf("%s\n", verify_group_name(group));
        begun = true;
        print_attempt(&view->lines->attempts[i], "", view->colour);
    }
}

/* Once more, where they are not among hundreds of others. */
static void print_faults(const struct verify_view *view)
{
    bool begun = false;

    for (size_t i = 0; i < view->lines->count; i++) {
        const struct verify_attempt *attempt = &view->lines->attempts[i];

        if (!is_fault(attempt))
            continue;
        if (!begun)
            puts("not as the policy says");
        begun = true;
        print_attempt(attempt, verify_group_name(attempt->group), view->colour);
    }
}

void verify_print_text(const struct verify_view *view)
{
    size_t counts[VERIFY_VERDICTS];

    printf("%s/%s, %s (%s)\n", view->policy->network, view->role->name, view->engine, view->way);
    for (unsigned group = 0; verify_group_name(group) != NULL; group++)
        print_group(view, group);
    print_faults(view);
    for (size_t i = 0; i < view->left_out->count; i++)
        printf("left out: %s\n", view->left_out->texts[i]);
    verify_count(view->lines, counts);
    printf("%zu attempts: %zu as the policy says, %zu leaks, %zu broken, %zu told, %zu impossible here\n",
           view->lines->count, counts[VERIFY_VERDICT_OK], counts[VERIFY_VERDICT_LEAK],
           counts[VERIFY_VERDICT_BROKEN], counts[VERIFY_VERDICT_TOLD], counts[VERIFY_VERDICT_IMPOSSIBLE]);
}

static json_t *group_json(const struct verify_lines *lines, unsigned group)
{
    json_t *list = json_array();

    for (size_t i = 0; i < lines->count; i++) {
        const struct verify_attempt *attempt = &lines->attempts[i];

        if (attempt->group == group)
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:f}", "name", attempt->name, "verdict",
                                KEYS[verify_judge(attempt)], "tried", attempt->tried, "expect",
                                verify_saw_name(attempt->expect), "saw", verify_saw_name(attempt->saw),
                                "detail", attempt->detail, "ms", attempt->milliseconds));
    }
    return list;
}

static json_t *groups_json(const struct verify_lines *lines)
{
    json_t *groups = json_array();

    for (unsigned group = 0; verify_group_name(group) != NULL; group++) {
        cleanup_json json_t *attempts = group_json(lines, group);

        if (json_array_size(attempts) > 0)
            json_array_append_new(
                groups, json_pack("{s:s, s:O}", "name", verify_group_name(group), "attempts", attempts));
    }
    return groups;
}

static json_t *summary_json(const struct verify_lines *lines)
{
    size_t counts[VERIFY_VERDICTS];
    json_t *summary = json_pack("{s:I}", "attempts", (json_int_t)lines->count);

    verify_count(lines, counts);
    for (size_t i = 0; i < VERIFY_VERDICTS; i++)
        json_object_set_new(summary, KEYS[i], json_integer((json_int_t)counts[i]));
    return summary;
}

int verify_print_json(const struct verify_view *view)
{
    cleanup_json json_t *left_out = json_array();
    cleanup_json json_t *document = NULL;

    for (size_t i = 0; i < view->left_out->count; i++)
        json_array_append_new(left_out, json_string(view->left_out->texts[i]));
    document = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:O, s:o}", "network", view->policy->network, "role",
                         view->role->name, "engine", view->engine, "way", view->way, "version",
                         SALLYPORT_VERSION, "groups", groups_json(view->lines), "left_out", left_out,
                         "summary", summary_json(view->lines));
    if (document == NULL || json_dumpf(document, stdout, JSON_INDENT(2)) < 0)
        return -ENOMEM;
    putchar('\n');
    return 0;
}
