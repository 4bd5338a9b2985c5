/* SPDX-License-Identifier: Apache-2.0
 *
 * P and R. Every restricted call is taken out of every entry of P; what P and R both allow of it is worked
 * out as cubes and added back at the end, as rules that allow it where P denies by default, as rules that
 * deny the rest where P allows by default. Everything else of P stays as it is.
 *
 * The rules added for one call never contradict each other, and none of them is unconditional beside
 * conditional ones: libseccomp would drop one or the other without a word. */
#include "seccomp/seccomp.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "seccomp/allowlist.h"
#include "seccomp/filter.h"
#include "seccomp/profile.h"

#include <errno.h>
#include <string.h>

static void cleanup_rules_at(struct profile_rules *rules)
{
    profile_rules_free(rules);
}

#define cleanup_rules __attribute__((cleanup(cleanup_rules_at)))

static int out_of_memory(struct error *err)
{
    return error_set(err, ENOMEM, "compose seccomp profile");
}

/* The ABIs that stay. libseccomp always adds the native one and kills a process that uses one not listed. */
static bool is_kept_architecture(const char *name, const struct seccomp_options *options)
{
    return strcmp(name, "SCMP_ARCH_X86_64") == 0 || strcmp(name, "SCMP_ARCH_AARCH64") == 0 ||
           (options->i386 && strcmp(name, "SCMP_ARCH_X86") == 0);
}

static int restrict_architectures(json_t *profile, const struct seccomp_options *options, struct error *err)
{
    const json_t *architectures = json_object_get(profile, "architectures");
    cleanup_json json_t *kept = NULL;
    size_t i = 0;
    json_t *name = NULL;

    if (!json_is_array(architectures))
        return 0; /* none listed: native only */
    kept = json_array();
    json_array_foreach(architectures, i, name)
    {
        if (is_kept_architecture(json_string_value(name), options) && json_array_append(kept, name) < 0)
            return out_of_memory(err);
    }
    if (json_object_set(profile, "architectures", kept) < 0)
        return out_of_memory(err);
    return 0;
}

/* The entry without the restricted calls. *ret is NULL if nothing remains. */
static int strip_entry(const json_t *entry, const struct seccomp_options *options, json_t **ret,
                       struct error *err)
{
    const json_t *names = json_object_get(entry, "names");
    cleanup_json json_t *kept = json_array();
    cleanup_json json_t *stripped = NULL;
    size_t i = 0;
    json_t *name = NULL;

    json_array_foreach(names, i, name)
    {
        if (allowlist_find(json_string_value(name), options) == NULL && json_array_append(kept, name) < 0)
            return out_of_memory(err);
    }
    if (json_array_size(kept) == 0 && json_array_size(names) > 0) {
        *ret = NULL;
        return 0;
    }
    stripped = json_copy((json_t *)entry);
    if (stripped == NULL || json_object_set(stripped, "names", kept) < 0)
        return out_of_memory(err);
    *ret = take_pointer(stripped);
    return 0;
}

static int strip_entries(const json_t *entries, const struct seccomp_options *options, json_t *target,
                         struct error *err)
{
    size_t i = 0;
    json_t *entry = NULL;

    json_array_foreach(entries, i, entry)
    {
        json_t *stripped = NULL;
        int result = strip_entry(entry, options, &stripped, err);

        if (result < 0)
            return result;
        if (stripped != NULL && json_array_append_new(target, stripped) < 0)
            return out_of_memory(err);
    }
    return 0;
}

static json_t *masked(unsigned argument, uint32_t mask, uint32_t value)
{
    return json_pack("{s:i, s:I, s:I, s:s}", "index", (int)argument, "value", (json_int_t)mask, "valueTwo",
                     (json_int_t)value, "op", "SCMP_CMP_MASKED_EQ");
}

/* Compares the whole register: what has anything in its upper half is above, too, and denied with the rest.
 * systemd.exec(5) RestrictAddressFamilies= has done the same to the same argument for years. */
static json_t *above(unsigned argument, uint32_t value)
{
    return json_pack("{s:i, s:I, s:I, s:s}", "index", (int)argument, "value", (json_int_t)value, "valueTwo",
                     (json_int_t)0, "op", "SCMP_CMP_GT");
}

/* Cubes that differ in one bit of one argument, which is set, from the highest one down to `lowest`: any
 * value from `lowest` on. libseccomp needs a millisecond for some forty rules. */
struct run {
    size_t count; /* of cubes; 1: there is no run */
    unsigned argument;
    uint32_t lowest;
};

/* Whether the cube is the one before it, but with half its bit. */
static bool continues(const struct cube *cube, unsigned argument, uint32_t bit)
{
    struct cube before = *cube;

    before.value[argument] = before.mask[argument] = 2 * bit;
    return cube->value[argument] == bit && cube->mask[argument] == bit &&
           memcmp(&before, cube - 1, sizeof(before)) == 0;
}

/* The run that begins with the first of the cubes. */
static struct run find_run(const struct cube *cubes, size_t count)
{
    struct run run = {.count = 1, .lowest = 1U << 31};

    while (run.argument < CUBE_ARGUMENTS &&
           (cubes[0].value[run.argument] != run.lowest || cubes[0].mask[run.argument] != run.lowest))
        run.argument++;
    if (run.argument == CUBE_ARGUMENTS)
        return run;
    while (run.count < count && continues(&cubes[run.count], run.argument, run.lowest / 2)) {
        run.lowest /= 2;
        run.count++;
    }
    return run;
}

static json_t *conditions_of(const struct cube *cube, const struct run *run)
{
    json_t *conditions = json_array();

    for (unsigned i = 0; i < CUBE_ARGUMENTS; i++) {
        json_t *condition = NULL;

        if (cube->mask[i] == 0)
            continue;
        condition = run->count > 1 && i == run->argument ? above(i, run->lowest - 1)
                                                         : masked(i, cube->mask[i], cube->value[i]);
        if (condition == NULL || json_array_append_new(conditions, condition) < 0) {
            json_decref(conditions);
            return NULL;
        }
    }
    return conditions;
}

/* Appends a rule for the call: allow (`error` 0) or fail with `error` what is in the cube, or in those of the
 * run that it begins. */
static int append_rule(json_t *entries, const char *name, int error, const struct cube *cube,
                       const struct run *run, struct error *err)
{
    cleanup_json json_t *entry = NULL;
    json_t *conditions = conditions_of(cube, run);

    if (conditions == NULL)
        return out_of_memory(err);
    if (error == 0)
        entry = json_pack("{s:[s], s:s}", "names", name, "action", "SCMP_ACT_ALLOW");
    else
        entry = json_pack("{s:[s], s:s, s:i}", "names", name, "action", "SCMP_ACT_ERRNO", "errnoRet", error);
    if (json_array_size(conditions) == 0)
        json_decref(conditions);
    else if (entry == NULL || json_object_set_new(entry, "args", conditions) < 0)
        return out_of_memory(err);
    if (entry == NULL || json_array_append(entries, entry) < 0)
        return out_of_memory(err);
    return 0;
}

static int append_rules(json_t *entries, const char *name, int error, const struct cube *cubes, size_t count,
                        struct error *err)
{
    struct run run = {.count = 1};

    for (size_t i = 0; i < count; i += run.count) {
        int result = 0;

        if (error != 0) /* what is allowed must not reach further than its cube */
            run = find_run(&cubes[i], count - i);
        result = append_rule(entries, name, error, &cubes[i], &run, err);
        if (result < 0)
            return result;
    }
    return 0;
}

/* socketcall(2): only i386 has it. From a rule for `socket` libseccomp derives one for it, whose conditions
 * would be on the wrong arguments or gone. */
static bool is_derived(const struct allowlist_call *call)
{
    return call->number[ALLOWLIST_X86_64] < 0;
}

/* A rule that denies the call whatever its arguments. The runtimes skip a rule that only repeats the default,
 * which is as good, except where it has to outdo a derived one: that gets another errno than the default's.
 */
static int append_denial(json_t *entries, const json_t *profile, const struct allowlist_call *call,
                         struct error *err)
{
    static const struct cube everything;
    int error = call->error;
    int standard = 0;

    if (is_derived(call) && profile_default_errno(profile, &standard) && standard == error)
        error = ENOSYS;
    return append_rules(entries, call->name, error, &everything, 1, err);
}

/* What P and R both allow of the call. */
static int intersect_call(const json_t *profile, const struct allowlist_call *call, struct cube_set *ret,
                          struct error *err)
{
    cleanup_rules struct profile_rules rules = {0};
    int result = profile_rules_read(profile, call->name, &rules, err);

    for (size_t i = 0; result == 0 && i < call->allowed_count; i++)
        result = profile_intersect(&rules, profile_permits_by_default(profile), call->arguments,
                                   &call->allowed[i], ret, err);
    return result < 0 ? error_prefix(err, "seccomp profile: %s", call->name) : 0;
}

/* Rules that deny all but `allowed`. Mostly that is what R allows, and the answer is known. */
static int deny_rest(json_t *entries, const struct allowlist_call *call, const struct cube_set *allowed,
                     struct error *err)
{
    const struct filter_denied *known = &filter_denied[call - allowlist_calls];
    struct cube_set denied;

    if (allowed->count == call->allowed_count &&
        memcmp(allowed->items, call->allowed, allowed->count * sizeof(allowed->items[0])) == 0)
        return append_rules(entries, call->name, call->error, known->items, known->count, err);
    denied.count = 0;
    if (!cube_set_complement(allowed, &denied))
        return error_set(err, 0, "seccomp profile: %s: conditions are too many", call->name);
    return append_rules(entries, call->name, call->error, denied.items, denied.count, err);
}

static int compose_call(const json_t *profile, const struct allowlist_call *call, json_t *entries,
                        struct error *err)
{
    struct cube_set allowed;
    int result = 0;

    if (call->allowed_count == 0)
        return append_denial(entries, profile, call, err);
    allowed.count = 0;
    result = intersect_call(profile, call, &allowed, err);
    if (result < 0)
        return result;
    if (profile_permits_by_default(profile))
        return deny_rest(entries, call, &allowed, err);
    return append_rules(entries, call->name, 0, allowed.items, allowed.count, err);
}

static int compose_checked(const json_t *profile, const struct seccomp_options *options, json_t **ret,
                           struct error *err)
{
    cleanup_json json_t *composed = json_copy((json_t *)profile);
    json_t *entries = json_array();
    int result = 0;

    if (composed == NULL || json_object_set_new(composed, "syscalls", entries) < 0)
        return out_of_memory(err);
    result = restrict_architectures(composed, options, err);
    if (result == 0)
        result = strip_entries(json_object_get(profile, "syscalls"), options, entries, err);
    for (size_t i = 0; result == 0 && i < allowlist_calls_count; i++)
        if (allowlist_restricts(&allowlist_calls[i], options))
            result = compose_call(profile, &allowlist_calls[i], entries, err);
    if (result == 0)
        *ret = take_pointer(composed);
    return result;
}

/* The profile of a container that has none: everything is allowed. */
static json_t *no_profile(const struct seccomp_options *options)
{
#ifdef __x86_64__
    if (options->i386)
        return json_pack("{s:s, s:[s, s]}", "defaultAction", "SCMP_ACT_ALLOW", "architectures",
                         "SCMP_ARCH_X86_64", "SCMP_ARCH_X86");
#else
    (void)options;
#endif
    return json_pack("{s:s}", "defaultAction", "SCMP_ACT_ALLOW");
}

static int compose_once(const json_t *profile, const struct seccomp_options *options, json_t **ret,
                        struct error *err)
{
    cleanup_json json_t *none = NULL;
    int result = 0;

    if (profile == NULL || json_is_null(profile)) {
        none = no_profile(options);
        if (none == NULL)
            return out_of_memory(err);
        profile = none;
    }
    result = profile_check(profile, err);
    return result < 0 ? result : compose_checked(profile, options, ret, err);
}

bool seccomp_implies(const json_t *profile, const struct seccomp_options *options)
{
    cleanup_json json_t *composed = NULL;
    struct error ignored = {0};

    if (profile == NULL || compose_once(profile, options, &composed, &ignored) < 0)
        return false;
    return json_equal((json_t *)profile, composed);
}

/* What comes out must be seen to imply R by whoever reads it next. That fails only for profiles whose rules
 * can be said in so many cubes but no longer be decided: not for R alone. */
int seccomp_compose(const json_t *profile, const struct seccomp_options *options, json_t **ret,
                    struct error *err)
{
    cleanup_json json_t *composed = NULL;
    int result = compose_once(profile, options, &composed, err);

    if (result < 0)
        return result;
    if (profile != NULL && !seccomp_implies(composed, options))
        return error_set(err, 0, "seccomp profile: conditions are too many to be decided");
    *ret = take_pointer(composed);
    return 0;
}
