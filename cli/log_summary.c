/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_summary.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "cli/log_follow.h"
#include "cli/log_proxy.h"
#include "cli/log_reason.h"
#include "cli/verb.h"
#include "netns/hub.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACES = POLICY_ROLES_MAX + 1, /* each role, and whoever has none of the policy's */
    KINDS_OF_PLACE = 256,          /* members make up names: what is kept of them has an end, */
    KINDS_MAX = PLACES * KINDS_OF_PLACE,
    KINDS_SHOWN = 20, /* and to people the end is here */
};

struct summary {
    const struct policy *policy;
    json_t *kinds;           /* what was refused, by role, method, target and rule */
    size_t kinds_of[PLACES]; /* how many: no role can take the room of another */
    uint64_t requests;       /* all that were refused, */
    uint64_t others;         /* and those of them that no kind has */
    uint64_t unreadable;
};

static void summary_free_at(struct summary *summary)
{
    json_decref(summary->kinds);
}

/* A URL without its path, which can differ every time. */
static int origin_length(const char *target)
{
    const char *authority = strstr(target, "://");

    return authority == NULL ? (int)strlen(target)
                             : (int)(authority + 3 - target + (ptrdiff_t)strcspn(authority + 3, "/?"));
}

static json_t *make_kind(const struct summary *summary, const char *role, const struct squid_log_line *line)
{
    struct log_reason reason;

    log_reason_request(summary->policy, line, &reason);
    return json_pack("{s:s, s:s, s:s#, s:I, s:s, s:s}", "role", role, "method", line->method, "target",
                     line->target, origin_length(line->target), "requests", (json_int_t)0, "rule",
                     reason.rule, "allow", reason.allow);
}

/* Which of kinds_of is the role's; NULL: nobody's. */
static size_t place_of(const struct policy *policy, const struct policy_role *role)
{
    for (size_t i = 0; role != NULL && i < policy->roles_count; i++)
        if (role == &policy->roles[i])
            return i;
    return PLACES - 1;
}

static void add_request(const struct squid_log_line *line, void *data)
{
    struct summary *summary = data;
    const struct policy_role *role =
        summary->policy != NULL ? policy_role_of(summary->policy, line->client) : NULL;
    size_t *count = &summary->kinds_of[place_of(summary->policy, role)];
    char key[sizeof(*line)];
    json_t *kind = NULL;

    summary->requests++;
    snprintf(key, sizeof(key), "%s %s %s %.*s", role != NULL ? role->name : "", line->denial, line->method,
             origin_length(line->target), line->target);
    kind = json_object_get(summary->kinds, key);
    if (kind == NULL && *count < KINDS_OF_PLACE) {
        kind = make_kind(summary, role != NULL ? role->name : "", line);
        json_object_set_new(summary->kinds, key, kind);
        *count += 1;
    }
    if (kind == NULL)
        summary->others++;
    else
        json_integer_set(json_object_get(kind, "requests"),
                         json_integer_value(json_object_get(kind, "requests")) + 1);
}

static json_int_t requests_of(const json_t *kind)
{
    return json_integer_value(json_object_get(kind, "requests"));
}

static int compare_kinds(const void *left, const void *right)
{
    json_int_t l = requests_of(*(json_t *const *)left);
    json_int_t r = requests_of(*(json_t *const *)right);

    return (l < r) - (l > r);
}

/* The kinds, most frequent first. */
static json_t *sorted(const struct summary *summary)
{
    json_t *kinds[KINDS_MAX] = {NULL};
    json_t *list = json_array();
    const char *key = NULL;
    json_t *kind = NULL;
    size_t count = 0;

    json_object_foreach(summary->kinds, key, kind) kinds[count++] = kind;
    qsort(kinds, count, sizeof(json_t *), compare_kinds);
    for (size_t i = 0; i < count; i++)
        json_array_append(list, kinds[i]);
    return list;
}

/* Reads the whole of a log. Returns 0, or the errno value why it cannot be read. */
static int read_log(const char *proxy_log, struct summary *summary)
{
    struct log_proxy proxy;
    uint64_t unused = 0;
    uint64_t unreadable = 0;
    int problem = 0;

    log_proxy_open(proxy_log, true, false, add_request, summary, &proxy);
    while (log_proxy_read(&proxy))
        ;
    log_proxy_settle(&proxy, &unused, &unreadable);
    summary->unreadable += unreadable;
    problem = proxy.tail.problem;
    log_proxy_close(&proxy);
    return problem;
}

static json_t *proxy_object(const struct summary *summary, const char *proxy_log)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:o}", "log", proxy_log, "requests", (json_int_t)summary->requests,
                     "unreadable", (json_int_t)summary->unreadable, "others", (json_int_t)summary->others,
                     "refused", sorted(summary));
}

static void print_kind(const json_t *kind)
{
    const char *role = json_string_value(json_object_get(kind, "role"));
    const char *allow = json_string_value(json_object_get(kind, "allow"));

    printf("%8" JSON_INTEGER_FORMAT "  %s: %s %.200s; %s", requests_of(kind), role[0] != '\0' ? role : "?",
           json_string_value(json_object_get(kind, "method")),
           json_string_value(json_object_get(kind, "target")),
           json_string_value(json_object_get(kind, "rule")));
    if (strcmp(allow, LOG_NOTHING) == 0)
        fputs("; nothing allows it", stdout);
    else if (allow[0] != '\0')
        printf("; to allow it: %s", allow);
    putchar('\n');
}

static void print_proxy(const char *network, const struct summary *summary,
                        const struct log_proxy_names *logs)
{
    cleanup_json json_t *list = sorted(summary);
    uint64_t rest = summary->requests;

    printf("%s: %" PRIu64 " requests refused by the proxy, in %s%s%s\n", network, summary->requests,
           logs->names[0], logs->names[1][0] != '\0' ? " and " : "", logs->names[1]);
    for (size_t i = 0; i < json_array_size(list) && i < KINDS_SHOWN; i++) {
        print_kind(json_array_get(list, i));
        rest -= (uint64_t)requests_of(json_array_get(list, i));
    }
    if (rest > 0)
        printf("%8" PRIu64 "  others\n", rest);
    if (summary->unreadable > 0)
        printf("%s: lines there that are not of the proxy's format, not shown: %" PRIu64 LOG_PROXY_UNREADABLE
               "\n",
               network, summary->unreadable, network);
}

/* Standard error, because the rest is as it should be. */
static void complain(const char *network, const struct policy *policy, const char *proxy_log, int problem)
{
    if (problem != 0)
        fprintf(stderr, "sallyport: %s: what the proxy refused is not known: read %s: %s\n", network,
                proxy_log, strerror(problem));
    else if (proxy_log[0] == '\0' && policy != NULL && policy->proxy_at == POLICY_PROXY_AT_MEMBER)
        fprintf(stderr,
                "sallyport: %s: what the proxy refused is not known: it is a container; pipe what its engine "
                "logs into `sallyport log --network %s --proxy-log -`\n",
                network, network);
}

static void print_json(const char *network, json_t *proxy, uint64_t packets, uint64_t bytes)
{
    cleanup_json json_t *document =
        json_pack("{s:s, s:{s:I, s:I}, s:o}", "network", network, "refused", "packets", (json_int_t)packets,
                  "bytes", (json_int_t)bytes, "proxy", proxy);

    json_dumpf(document, stdout, JSON_COMPACT);
    putchar('\n');
}

int log_summary(const char *network, const struct policy *policy, const struct log_proxy_names *proxy_logs,
                bool json, struct error *err)
{
    const char *proxy_log = proxy_logs->names[0];
    __attribute__((cleanup(summary_free_at))) struct summary summary = {.policy = policy,
                                                                        .kinds = json_object()};
    cleanup_close int hub = log_open_hub(network, err);
    uint64_t packets = 0;
    uint64_t bytes = 0;
    int result = hub < 0 ? hub : hub_refused(hub, &packets, &bytes, err);
    int problem = 0;
    bool known = false;

    if (result < 0)
        return result;
    problem = read_log(proxy_log, &summary);
    known = proxy_log[0] != '\0' && problem == 0;
    complain(network, policy, proxy_log, problem);
    if (known && proxy_logs->names[1][0] != '\0')
        complain(network, policy, proxy_logs->names[1], read_log(proxy_logs->names[1], &summary));
    if (json) {
        print_json(network, known ? proxy_object(&summary, proxy_log) : json_null(), packets, bytes);
    } else {
        printf("%s: %" PRIu64 " packets, %" PRIu64 " bytes refused since the hub was made; "
               "`sallyport log -f --network %s` shows them as they happen\n",
               network, packets, bytes, network);
        if (known)
            print_proxy(network, &summary, proxy_logs);
    }
    return verb_flush_output(err);
}
