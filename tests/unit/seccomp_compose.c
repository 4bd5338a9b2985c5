/* SPDX-License-Identifier: Apache-2.0
 *
 * Composition with profiles that no engine ships: what is refused, what is kept, what a supervisor may
 * decide, and thousands of random profiles, compiled and asked, against a plain reading of their rules. */
#include "base/cleanup.h"
#include "cbpf.h"
#include "seccomp/filter.h"
#include "seccomp/seccomp.h"
#include "seccomp_engines.h"
#include "seccomp_oracle.h"
#include "seccomp_reading.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/audit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(seccomp_compose, .timeout = 300);

static const struct seccomp_options plain;

static json_t *parse(const char *text)
{
    json_error_t error = {0};
    json_t *json = json_loads(text, 0, &error);

    cr_assert_not_null(json, "%s: %s", text, error.text);
    return json;
}

/* Composes, and checks what holds for every composition. */
static json_t *compose(const json_t *profile, const struct seccomp_options *options)
{
    json_t *before = json_deep_copy(profile);
    json_t *composed = NULL;
    json_t *twice = NULL;
    struct error err = {0};
    char *once_text = NULL;
    char *twice_text = NULL;

    cr_assert_eq(seccomp_compose(profile, options, &composed, &err), 0, "%s", err.text);
    cr_expect(json_equal(before, (json_t *)profile), "the input was changed");
    cr_assert_eq(seccomp_compose(composed, options, &twice, &err), 0, "%s", err.text);
    once_text = json_dumps(composed, JSON_COMPACT);
    twice_text = json_dumps(twice, JSON_COMPACT);
    cr_expect_str_eq(once_text, twice_text);
    cr_expect(seccomp_implies(composed, options));
    free(once_text);
    free(twice_text);
    json_decref(before);
    json_decref(twice);
    return composed;
}

static bool lets_through(const struct sock_fprog *program, const struct seccomp_data *call)
{
    uint32_t action = cbpf_run(program, call) & SECCOMP_RET_ACTION_FULL;

    return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

static uint32_t verdict(const json_t *composed, const char *name, uint64_t first, uint64_t second,
                        uint64_t third)
{
    struct sock_fprog *program = engine_compile(composed, ENGINE_CRUN, AUDIT_ARCH_X86_64);
    const struct seccomp_data call = {
        .nr = oracle_number(AUDIT_ARCH_X86_64, name),
        .arch = AUDIT_ARCH_X86_64,
        .args = {first, second, third},
    };
    uint32_t result = 0;

    cr_assert_not_null(program);
    result = cbpf_run(program, &call);
    engine_program_free(program);
    return result;
}

static void expect_json(const json_t *json, const char *text)
{
    json_t *expected = parse(text);

    cr_expect(json_equal((json_t *)json, expected), "%s", text);
    json_decref(expected);
}

#define ERRNO(number) (SECCOMP_RET_ERRNO | (number))

Test(seccomp_compose, refuses_what_it_does_not_understand)
{
    static const struct {
        const char *profile;
        const char *why;
    } cases[] = {
        {"[]", "not an object"},
        {"{}", "unknown defaultAction (none)"},
        {"{\"defaultAction\": 1}", "unknown defaultAction (none)"},
        {"{\"defaultAction\": \"SCMP_ACT_MAYBE\"}", "unknown defaultAction SCMP_ACT_MAYBE"},
        {"{\"defaultAction\": \"SCMP_ACT_NOTIFY\"}", "leaves every call to a supervisor"},
        {"{\"defaultAction\": \"SCMP_ACT_TRACE\"}", "leaves every call to a supervisor"},
        {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"DefaultAction\": \"SCMP_ACT_KILL\"}", "is not spelled"},
        {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"Syscalls\": []}", "is not spelled \"syscalls\""},
        {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"\\u017fyscalls\": []}", "not ASCII"},
        {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": \"SCMP_ARCH_X86\"}", "not an array"},
        {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [1]}", "other than strings"},
        {"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": \"1\"}",
         "\"defaultErrnoRet\" is not a number"},
        {"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": -1}",
         "\"defaultErrnoRet\" is not a number"},
        {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": {}}", "\"syscalls\" is not an array"},
        {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [1]}", "is not an object"},
    };

    for (size_t i = 0; i < array_size(cases); i++) {
        json_t *profile = parse(cases[i].profile);
        json_t *composed = NULL;
        struct error err = {0};

        cr_expect_eq(seccomp_compose(profile, &plain, &composed, &err), -EINVAL, "%s", cases[i].profile);
        cr_expect_not_null(strstr(err.text, cases[i].why), "%s: %s", cases[i].profile, err.text);
        cr_expect_null(composed);
        cr_expect(!seccomp_implies(profile, &plain));
        json_decref(profile);
    }
}

Test(seccomp_compose, refuses_malformed_entries)
{
    static const struct {
        const char *entry;
        const char *why;
    } cases[] = {
        {"{\"action\": \"SCMP_ACT_ALLOW\"}", "\"names\" is not an array"},
        {"{\"name\": \"read\", \"action\": \"SCMP_ACT_ALLOW\"}", "\"names\" is not an array"},
        {"{\"names\": [1], \"action\": \"SCMP_ACT_ALLOW\"}", "other than strings"},
        {"{\"Names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\"}", "is not spelled \"names\""},
        {"{\"names\": [\"read\"]}", "unknown action (none)"},
        {"{\"names\": [\"read\"], \"action\": \"ALLOW\"}", "unknown action ALLOW"},
        {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": \"x\"}",
         "\"errnoRet\" is not a number"},
        {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": {}}", "\"args\" is not an array"},
        {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [1]}",
         "condition is not an object"},
        {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 0, \"value\": 1}]}",
         "\"op\" is unknown"},
        {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"value\": 1, \"op\": "
         "\"SCMP_CMP_EQ\"}]}",
         "\"index\" is not a number"},
        {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 6, \"value\": 1, "
         "\"op\": "
         "\"SCMP_CMP_EQ\"}]}",
         "\"index\" is not 0 to 5"},
        {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 0, \"Value\": 1, "
         "\"value\": 1, "
         "\"op\": \"SCMP_CMP_EQ\"}]}",
         "is not spelled \"value\""},
        {"{\"names\": [\"socket\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 3, \"value\": 1, "
         "\"op\": "
         "\"SCMP_CMP_EQ\"}]}",
         "socket: condition on argument 3 cannot be decided"},
        {"{\"names\": [\"clone\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 1, \"value\": 1, "
         "\"op\": "
         "\"SCMP_CMP_EQ\"}]}",
         "clone: condition on argument 1 cannot be decided"},
    };

    for (size_t i = 0; i < array_size(cases); i++) {
        json_t *composed = NULL;
        struct error err = {0};
        json_t *profile =
            json_pack("{s:s, s:[o]}", "defaultAction", "SCMP_ACT_ERRNO", "syscalls", parse(cases[i].entry));

        cr_expect_eq(seccomp_compose(profile, &plain, &composed, &err), -EINVAL, "%s", cases[i].entry);
        cr_expect_not_null(strstr(err.text, cases[i].why), "%s: %s", cases[i].entry, err.text);
        json_decref(profile);
    }
}

/* Sixteen rules that each tie a bit of the type to a bit of the protocol: 3^16 cubes. */
Test(seccomp_compose, refuses_what_takes_too_long_to_decide)
{
    json_t *entries = json_array();
    json_t *profile = NULL;
    json_t *composed = NULL;
    struct error err = {0};

    for (unsigned i = 0; i < 16; i++)
        json_array_append_new(
            entries, json_pack("{s:[s], s:s, s:[{s:i, s:i, s:i, s:s}, {s:i, s:i, s:i, s:s}]}", "names",
                               "socket", "action", "SCMP_ACT_KILL", "args", "index", 1, "value", 1 << i,
                               "valueTwo", 1 << i, "op", "SCMP_CMP_MASKED_EQ", "index", 2, "value", 1 << i,
                               "valueTwo", 1 << i, "op", "SCMP_CMP_MASKED_EQ"));
    profile = json_pack("{s:s, s:o}", "defaultAction", "SCMP_ACT_ALLOW", "syscalls", entries);
    cr_expect_eq(seccomp_compose(profile, &plain, &composed, &err), -EINVAL);
    cr_expect_not_null(strstr(err.text, "too many to be decided"), "%s", err.text);
    json_decref(profile);
}

Test(seccomp_compose, keeps_what_is_not_its_own)
{
    json_t *profile =
        parse("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 22, \"x-vendor\": {\"a\": 1},"
              " \"flags\": [\"SECCOMP_FILTER_FLAG_LOG\"], \"listenerPath\": \"/run/x\","
              " \"architectures\": [\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\", \"SCMP_ARCH_X32\"],"
              " \"syscalls\": [{\"names\": [\"read\", \"socket\"], \"action\": \"SCMP_ACT_ALLOW\", \"x\": 1},"
              " {\"names\": [\"mount\"], \"action\": \"SCMP_ACT_NOTIFY\"},"
              " {\"names\": [\"clone3\"], \"action\": \"SCMP_ACT_ALLOW\"}]}");
    json_t *composed = compose(profile, &plain);
    const struct seccomp_options with_i386 = {.i386 = true};
    json_t *composed_i386 = compose(profile, &with_i386);
    json_t *entries = json_object_get(composed, "syscalls");

    cr_expect(json_equal(json_object_get(composed, "x-vendor"), json_object_get(profile, "x-vendor")));
    cr_expect(json_equal(json_object_get(composed, "flags"), json_object_get(profile, "flags")));
    cr_expect(
        json_equal(json_object_get(composed, "listenerPath"), json_object_get(profile, "listenerPath")));
    cr_expect_eq(json_integer_value(json_object_get(composed, "defaultErrnoRet")), 22);
    expect_json(json_object_get(composed, "architectures"), "[\"SCMP_ARCH_X86_64\"]");
    expect_json(json_object_get(composed_i386, "architectures"), "[\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"]");
    expect_json(json_array_get(entries, 0),
                "{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"x\": 1}");
    expect_json(json_array_get(entries, 1), "{\"names\": [\"mount\"], \"action\": \"SCMP_ACT_NOTIFY\"}");
    cr_expect_eq(verdict(composed, "socket", 40, 1, 0), ERRNO(22));
    cr_expect_eq(verdict(composed, "socket", 2, 1, 0), SECCOMP_RET_ALLOW);
    cr_expect_eq(verdict(composed, "clone3", 0, 0, 0), ERRNO(ENOSYS));
    cr_expect_eq(verdict(composed, "io_uring_setup", 0, 0, 0), ERRNO(ENOSYS));
    json_decref(composed);
    json_decref(composed_i386);
    json_decref(profile);
}

/* What a supervisor may answer is not known: it counts as denied. */
Test(seccomp_compose, supervised_calls_are_denied)
{
    json_t *strict =
        parse("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": [\"socket\"], \"action\": "
              "\"SCMP_ACT_NOTIFY\"}, {\"names\": [\"unshare\"], \"action\": \"SCMP_ACT_TRACE\"}]}");
    json_t *open =
        parse("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"socket\"], \"action\": "
              "\"SCMP_ACT_NOTIFY\", \"args\": [{\"index\": 0, \"value\": 2, \"op\": \"SCMP_CMP_EQ\"}]}]}");
    json_t *composed_strict = compose(strict, &plain);
    json_t *composed_open = compose(open, &plain);

    cr_expect_eq(verdict(composed_strict, "socket", 2, 1, 0), ERRNO(EPERM));
    cr_expect_eq(verdict(composed_strict, "unshare", 0, 0, 0), ERRNO(EPERM));
    cr_expect_eq(verdict(composed_open, "socket", 2, 1, 0), ERRNO(EPERM));
    cr_expect_eq(verdict(composed_open, "socket", 10, 1, 0), SECCOMP_RET_ALLOW);
    json_decref(strict);
    json_decref(open);
    json_decref(composed_strict);
    json_decref(composed_open);
}

/* The runtimes make alternatives of conditions on one argument: family 2 or 40, not "2 and 40". */
Test(seccomp_compose, conditions_on_one_argument_are_alternatives)
{
    json_t *profile =
        parse("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": [\"socket\"], \"action\": "
              "\"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 0, \"value\": 2, \"op\": \"SCMP_CMP_EQ\"}, "
              "{\"index\": 0, \"value\": 40, \"op\": \"SCMP_CMP_EQ\"}]}]}");
    json_t *composed = compose(profile, &plain);

    cr_expect_eq(verdict(profile, "socket", 40, 1, 0), SECCOMP_RET_ALLOW);
    cr_expect_eq(verdict(composed, "socket", 2, 1, 0), SECCOMP_RET_ALLOW);
    cr_expect_eq(verdict(composed, "socket", 40, 1, 0), ERRNO(EPERM));
    cr_expect_eq(verdict(composed, "socket", 10, 1, 0), ERRNO(EPERM));
    json_decref(profile);
    json_decref(composed);
}

/* Without the unconditional denial, libseccomp turns "socket(AF_UNIX)" into "every socketcall(SYS_SOCKET)" on
 * i386. */
Test(seccomp_compose, control_socketcall_is_open_without_its_denial)
{
    const struct seccomp_options options = {.i386 = true};
    const struct seccomp_data call = {.nr = 102, .arch = AUDIT_ARCH_I386, .args = {1, 0xfffed000}};
    json_t *profile =
        parse("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 1, \"architectures\": "
              "[\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"], \"syscalls\": [{\"names\": [\"socket\"], "
              "\"action\": \"SCMP_ACT_ALLOW\"}]}");
    json_t *composed = compose(profile, &options);
    json_t *entries = json_object_get(composed, "syscalls");
    struct sock_fprog *closed = engine_compile(composed, ENGINE_CRUN, AUDIT_ARCH_X86_64);
    struct sock_fprog *open = NULL;
    unsigned removed = 0;

    for (size_t i = json_array_size(entries); i-- > 0;) {
        const json_t *names = json_object_get(json_array_get(entries, i), "names");

        if (strcmp(json_string_value(json_array_get(names, 0)), "socketcall") == 0) {
            json_array_remove(entries, i);
            removed++;
        }
    }
    cr_expect_eq(removed, 1);
    open = engine_compile(composed, ENGINE_CRUN, AUDIT_ARCH_X86_64);
    cr_expect(!lets_through(closed, &call));
    cr_expect(lets_through(open, &call), "the leak that the denial closes");
    engine_program_free(closed);
    engine_program_free(open);
    json_decref(profile);
    json_decref(composed);
}

/* --- random profiles --- */

static uint64_t state = 88172645463325252ULL;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static unsigned below(unsigned limit)
{
    return (unsigned)(next_random() % limit);
}

static const char *const names[] = {"socket", "socketpair", "clone", "unshare",
                                    "setns",  "clone3",     "read",  "kill"};

static uint64_t random_value(void)
{
    static const uint64_t values[] = {0,  1,  2,  3,   6,   9,          10,         16,         17,        38,
                                      40, 47, 58, 255, 262, 0x10000000, 0x40000000, 0x7e020000, 0xffffffff};

    return below(4) == 0 ? next_random() >> (1 + below(63)) : values[below(array_size(values))];
}

static json_t *random_condition(unsigned arguments)
{
    static const char *const ops[] = {"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",       "SCMP_CMP_EQ",
                                      "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"};

    return json_pack("{s:i, s:I, s:I, s:s}", "index", (int)below(arguments), "value",
                     (json_int_t)random_value(), "valueTwo", (json_int_t)random_value(), "op",
                     ops[below(array_size(ops))]);
}

static json_t *random_entry(void)
{
    static const char *const actions[] = {"SCMP_ACT_ALLOW", "SCMP_ACT_ALLOW", "SCMP_ACT_ALLOW",
                                          "SCMP_ACT_ERRNO", "SCMP_ACT_LOG",   "SCMP_ACT_NOTIFY",
                                          "SCMP_ACT_TRAP",  "SCMP_ACT_KILL"};
    const char *name = names[below(array_size(names))];
    bool one = strcmp(name, "clone") == 0 || strcmp(name, "unshare") == 0;
    json_t *entry = json_pack("{s:[s], s:s}", "names", name, "action", actions[below(array_size(actions))]);
    json_t *args = json_array();

    for (unsigned i = below(4); i > 0; i--)
        json_array_append_new(args, random_condition(one ? 1 : 3));
    json_object_set_new(entry, "args", args);
    return entry;
}

static json_t *random_profile(void)
{
    static const char *const standards[] = {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_ERRNO",
                                            "SCMP_ACT_LOG", "SCMP_ACT_KILL"};
    json_t *entries = json_array();
    json_t *profile = json_pack("{s:s, s:o}", "defaultAction", standards[below(array_size(standards))],
                                "syscalls", entries);

    for (unsigned i = below(8); i > 0; i--)
        json_array_append_new(entries, random_entry());
    return profile;
}

static uint64_t random_argument(void)
{
    uint64_t value = random_value() & UINT32_MAX;

    if (below(4) == 0)
        value ^= 1ULL << below(32);
    if (below(8) == 0)
        value |= 1ULL << (32 + below(32));
    return value;
}

/* Asks the restricted calls; returns how many were let through. */
static unsigned ask(const json_t *profile, const struct sock_fprog *filter,
                    const struct seccomp_options *options, const char *text)
{
    unsigned allowed = 0;

    for (unsigned i = 0; i < 4000; i++) {
        const char *name = names[below(6)];
        struct seccomp_data call = {.nr = oracle_number(AUDIT_ARCH_X86_64, name), .arch = AUDIT_ARCH_X86_64};
        struct seccomp_data same = call;
        bool expected = false;

        for (unsigned j = 0; j < 3; j++)
            call.args[j] = random_argument();
        same = call;
        for (unsigned j = 0; j < oracle_truncated(&call, options); j++)
            same.args[j] = (uint32_t)call.args[j];
        expected = oracle_allows(&call, AUDIT_ARCH_X86_64, options) && reading_permits(profile, name, &same);
        if (expected && engine_allows_by_default(profile) && oracle_leaves_open(&call, options))
            continue;
        cr_assert_eq(lets_through(filter, &call), expected, "%s (%#llx, %#llx, %#llx) in %s", name,
                     (unsigned long long)call.args[0], (unsigned long long)call.args[1],
                     (unsigned long long)call.args[2], text);
        allowed += expected;
    }
    return allowed;
}

/* Calls that are not restricted go as they went before. */
static void ask_others(const struct sock_fprog *filter, const struct sock_fprog *original, const char *text)
{
    for (unsigned i = 0; i < 500; i++) {
        const struct seccomp_data call = {
            .nr = oracle_number(AUDIT_ARCH_X86_64, names[6 + below(2)]),
            .arch = AUDIT_ARCH_X86_64,
            .args = {random_argument(), random_argument(), random_argument()},
        };

        cr_assert_eq(cbpf_run(filter, &call), cbpf_run(original, &call), "nr %d in %s", call.nr, text);
    }
}

/* Nests of random comparisons can take too many cubes: refused, which is allowed but must stay the exception.
 */
static bool too_complex(const json_t *profile)
{
    json_t *composed = NULL;
    struct error err = {0};
    int result = seccomp_compose(profile, &plain, &composed, &err);

    json_decref(composed);
    return result < 0 && strstr(err.text, "too many") != NULL;
}

static json_t *random_decidable_profile(unsigned *refused)
{
    for (;;) {
        json_t *profile = random_profile();

        if (!too_complex(profile))
            return profile;
        json_decref(profile);
        (*refused)++;
    }
}

Test(seccomp_compose, random_profiles)
{
    const struct seccomp_options options = {0};
    unsigned compiled = 0;
    unsigned allowed = 0;
    unsigned refused = 0;

    for (unsigned i = 0; i < 1500; i++) {
        json_t *profile = random_decidable_profile(&refused);
        char *text = json_dumps(profile, JSON_COMPACT);
        struct sock_fprog *original = engine_compile(profile, ENGINE_CRUN, AUDIT_ARCH_X86_64);
        json_t *composed = compose(profile, &options);
        struct sock_fprog *filter = engine_compile(composed, i % 2, AUDIT_ARCH_X86_64);

        /* libseccomp refuses some contradictory profiles; then the runtime does not start the container. */
        if (filter != NULL && original != NULL) {
            compiled++;
            cr_assert(cbpf_valid(filter));
            allowed += ask(profile, filter, &options, text);
            ask_others(filter, original, text);
        }
        cr_assert(filter != NULL || original == NULL, "composing made it impossible to compile: %s", text);
        engine_program_free(original);
        engine_program_free(filter);
        json_decref(profile);
        json_decref(composed);
        free(text);
    }
    cr_expect_lt(refused, 50, "%u", refused);
    cr_expect_gt(compiled, 1000, "%u", compiled);
    cr_expect_gt(allowed, 10000, "%u", allowed);
}
