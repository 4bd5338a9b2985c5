/* SPDX-License-Identifier: Apache-2.0
 *
 * Every filter that can come out of seccomp/, asked millions of questions through a BPF interpreter and
 * compared with an independent statement of the rule, and, where it was composed into a profile, with that
 * profile as it was: a call is let through exactly if both let it through. */
#include "seccomp/seccomp.h"
#include "base/cleanup.h"
#include "cbpf.h"
#include "seccomp/filter.h"
#include "seccomp_engines.h"
#include "seccomp_oracle.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(seccomp, .timeout = 600);

struct subject {
    const char *name;
    const struct sock_fprog *filter;
    const struct sock_fprog *original; /* NULL: lets everything through */
    struct seccomp_options options;
    uint32_t native;
    bool allows_by_default; /* the profile that it was composed from */
    unsigned long asked;
    unsigned long allowed;
    unsigned wrong;
    bool quiet; /* find the first, do not fail */
};

static bool lets_through(const struct sock_fprog *program, const struct seccomp_data *call)
{
    uint32_t action = cbpf_run(program, call) & SECCOMP_RET_ACTION_FULL;

    return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

/* What the original says to the call as the kernel takes it. */
static bool original_lets_through(const struct subject *subject, const struct seccomp_data *call)
{
    unsigned count = oracle_truncated(call, &subject->options);
    struct seccomp_data same = *call;

    for (unsigned i = 0; i < count; i++)
        same.args[i] = (uint32_t)same.args[i];
    return subject->original == NULL || lets_through(subject->original, &same);
}

static void ask(struct subject *subject, const struct seccomp_data *call)
{
    uint32_t verdict = 0;
    bool expected = false;

    if (subject->quiet && subject->wrong > 0)
        return; /* one is enough */
    expected =
        oracle_allows(call, subject->native, &subject->options) && original_lets_through(subject, call);
    verdict = cbpf_run(subject->filter, call);
    subject->asked++;
    subject->allowed += expected;
    if (lets_through(subject->filter, call) == expected ||
        (expected && subject->allows_by_default && oracle_leaves_open(call, &subject->options)))
        return;
    if (++subject->wrong < 10 && !subject->quiet)
        cr_expect(false, "%s nested %d i386 %d: arch %#x nr %d (%#llx, %#llx, %#llx): %#x, expected %s",
                  subject->name, subject->options.nested, subject->options.i386, call->arch, call->nr,
                  (unsigned long long)call->args[0], (unsigned long long)call->args[1],
                  (unsigned long long)call->args[2], verdict, expected ? "allow" : "deny");
}

static void ask_socket(struct subject *subject, uint32_t arch, int number, uint64_t family, uint64_t type,
                       uint64_t protocol)
{
    const struct seccomp_data call = {.nr = number, .arch = arch, .args = {family, type, protocol, 0x7ffe}};

    ask(subject, &call);
}

static const uint64_t garbage[] = {0, 1ULL << 32, 0xffffffffULL << 32, 0x28ULL << 32, 1ULL << 63};

/* Every family with every type, its flags, bits that are no flags, and SOCK_PACKET among them. */
static void sweep_families(struct subject *subject, uint32_t arch, int number)
{
    static const uint32_t flags[] = {0, 02004000, 0x10, 0x80000000, 0xfff7f7f0};
    static const uint32_t protocols[] = {0, 1, 6, 17, 255, 262, 0xffffffff};

    for (uint32_t family = 0; family < 256; family++)
        for (uint32_t type = 0; type < 16; type++)
            for (size_t f = 0; f < array_size(flags); f++)
                for (size_t p = 0; p < array_size(protocols); p++)
                    ask_socket(subject, arch, number, family, type | flags[f], protocols[p]);
}

static void sweep_protocols(struct subject *subject, uint32_t arch, int number)
{
    static const uint32_t families[] = {1, 2, 10, 16, 17, 38, 40, 44};

    for (size_t f = 0; f < array_size(families); f++)
        for (uint32_t type = 0; type < 16; type++)
            for (uint32_t protocol = 0; protocol <= 520; protocol++)
                ask_socket(subject, arch, number, families[f], type, protocol);
}

/* Upper halves, and negative numbers sign-extended. */
static void sweep_upper_halves(struct subject *subject, uint32_t arch, int number)
{
    for (uint32_t family = 0; family < 64; family++)
        for (uint32_t type = 0; type < 12; type++)
            for (size_t a = 0; a < array_size(garbage); a++)
                for (size_t b = 0; b < array_size(garbage); b++)
                    for (size_t c = 0; c < array_size(garbage); c++)
                        ask_socket(subject, arch, number, family | garbage[a], type | garbage[b],
                                   (type == 1 ? 6 : 0) | garbage[c]);
    for (int64_t i = -300; i < 0; i++)
        for (uint64_t type = 0; type < 12; type++) {
            ask_socket(subject, arch, number, (uint64_t)i, type, 0);
            ask_socket(subject, arch, number, 2, (uint64_t)i, 0);
            ask_socket(subject, arch, number, 2, type, (uint64_t)i);
        }
}

/* One and two bits away from what is allowed: a mask that forgets a bit shows here. */
static void sweep_neighbours(struct subject *subject, uint32_t arch, int number)
{
    static const uint32_t allowed[][3] = {
        {1, 1, 0},  {2, 1, 0},    {2, 1, 6},  {2, 1, 262}, {2, 2, 0},  {2, 2, 17}, {10, 1, 0},
        {10, 1, 6}, {10, 1, 262}, {10, 2, 0}, {10, 2, 17}, {16, 3, 0}, {16, 2, 0},
    };

    for (size_t i = 0; i < array_size(allowed); i++) {
        for (unsigned first = 0; first < 96; first++) {
            for (unsigned second = first; second < 96; second++) {
                uint32_t call[3] = {allowed[i][0], allowed[i][1], allowed[i][2]};

                call[first / 32] ^= 1U << (first % 32);
                call[second / 32] ^= 1U << (second % 32); /* the same bit: the allowed one itself */
                ask_socket(subject, arch, number, call[0], call[1], call[2]);
            }
        }
    }
}

static void sweep_sockets(struct subject *subject, uint32_t arch)
{
    int number = oracle_number(arch, "socket");
    int pair = oracle_number(arch, "socketpair");

    cr_assert(number >= 0 && pair >= 0);
    sweep_families(subject, arch, number);
    sweep_protocols(subject, arch, number);
    sweep_upper_halves(subject, arch, number);
    sweep_neighbours(subject, arch, number);
    sweep_upper_halves(subject, arch, pair);
    sweep_neighbours(subject, arch, pair);
}

static void sweep_flags(struct subject *subject, uint32_t arch, const char *name)
{
    static const uint32_t usual[] = {0, 0x11, 0x4111, 0x3d0f00, 0x1200011, 0x7e020000, 0x50000000};
    struct seccomp_data call = {.nr = oracle_number(arch, name), .arch = arch};

    for (size_t i = 0; i < array_size(usual); i++) {
        for (unsigned first = 0; first < 32; first++) {
            for (unsigned second = first; second < 32; second++) {
                for (size_t g = 0; g < array_size(garbage); g++) {
                    call.args[0] = (usual[i] ^ (1U << first) ^ (1U << second)) | garbage[g];
                    ask(subject, &call);
                }
            }
        }
    }
}

/* Every number of every ABI, x32's and nonsense included, with arguments of zeros and of ones. */
static void sweep_numbers(struct subject *subject)
{
    static const uint32_t abis[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM,
                                    0};
    static const uint32_t bases[] = {0, 0x40000000, 0x80000000, 0xfffffe00};

    for (size_t a = 0; a < array_size(abis); a++) {
        for (size_t b = 0; b < array_size(bases); b++) {
            for (uint32_t number = 0; number < 512; number++) {
                struct seccomp_data call = {.nr = (int)(bases[b] + number), .arch = abis[a]};

                ask(subject, &call);
                memset(call.args, 0xff, sizeof(call.args));
                ask(subject, &call);
            }
        }
    }
}

/* socketcall(2) with every number of call and addresses that look like arguments. */
static void sweep_socketcall(struct subject *subject)
{
    for (uint64_t number = 0; number < 32; number++) {
        for (uint64_t word = 0; word < 18; word++) {
            const struct seccomp_data call = {
                .nr = oracle_number(AUDIT_ARCH_I386, "socketcall"),
                .arch = AUDIT_ARCH_I386,
                .args = {number, word, word == 17 ? 0xfffed000 : 0},
            };

            ask(subject, &call);
        }
    }
}

static void sweep_abi(struct subject *subject, uint32_t arch)
{
    sweep_sockets(subject, arch);
    sweep_flags(subject, arch, "clone");
    sweep_flags(subject, arch, "unshare");
}

static void sweep(struct subject *subject)
{
    cr_assert(cbpf_valid(subject->filter), "%s: not a program that the kernel would load", subject->name);
    sweep_abi(subject, subject->native);
    if (subject->options.i386 && subject->native == AUDIT_ARCH_X86_64)
        sweep_abi(subject, AUDIT_ARCH_I386);
    if (subject->native == AUDIT_ARCH_X86_64)
        sweep_socketcall(subject);
    sweep_numbers(subject);
    cr_expect_eq(subject->wrong, 0, "%s: %u of %lu wrong", subject->name, subject->wrong, subject->asked);
    cr_expect_gt(subject->allowed, 100, "%s: allows next to nothing", subject->name);
}

static struct seccomp_options options_of(unsigned variant)
{
    return (struct seccomp_options){.nested = (variant & FILTER_NESTED) != 0,
                                    .i386 = (variant & FILTER_I386) != 0};
}

Test(seccomp, generated_filters)
{
    for (unsigned variant = 0; variant < FILTER_VARIANTS; variant++) {
        struct subject x86_64 = {
            .name = "filter x86_64",
            .filter = &filters_x86_64[variant],
            .options = options_of(variant),
            .native = AUDIT_ARCH_X86_64,
        };
        struct subject aarch64 = {
            .name = "filter aarch64",
            .filter = &filters_aarch64[variant],
            .options = options_of(variant),
            .native = AUDIT_ARCH_AARCH64,
        };

        sweep(&x86_64);
        sweep(&aarch64);
    }
}

/* The errno is part of the interface: ENOSYS makes libc fall back, EPERM says "forbidden". */
Test(seccomp, generated_filter_errnos)
{
    static const struct {
        const char *name;
        int error;
    } calls[] = {
        {"socket", EPERM},
        {"socketpair", EPERM},
        {"io_uring_setup", ENOSYS},
        {"io_uring_enter", ENOSYS},
        {"io_uring_register", ENOSYS},
        {"clone3", ENOSYS},
        {"unshare", EPERM},
        {"clone", EPERM},
        {"setns", EPERM},
        {"pidfd_getfd", EPERM},
        {"request_key", EPERM},
        {"add_key", ENOSYS},
        {"keyctl", ENOSYS},
    };

    for (size_t i = 0; i < array_size(calls); i++) {
        struct seccomp_data call = {.arch = AUDIT_ARCH_X86_64, .args = {0x10000000, 3, 255}};

        call.nr = oracle_number(call.arch, calls[i].name);
        cr_expect_eq(cbpf_run(&filters_x86_64[0], &call), SECCOMP_RET_ERRNO | (uint32_t)calls[i].error, "%s",
                     calls[i].name);
    }
}

/* A filter with one hole must not pass: the sweep is able to fail. */
static unsigned count_wrong(struct subject *subject)
{
    int number = oracle_number(subject->native, "socket");

    for (uint64_t type = 0; type < 16; type++)
        for (uint64_t protocol = 0; protocol < 300; protocol++) {
            const struct seccomp_data call = {
                .nr = number, .arch = subject->native, .args = {2, type, protocol}};

            subject->wrong += lets_through(subject->filter, &call) !=
                              oracle_allows(&call, subject->native, &subject->options);
        }
    return subject->wrong;
}

Test(seccomp, control_damaged_filter_is_noticed)
{
    struct sock_filter code[256];
    struct sock_fprog damaged = {.len = filters_x86_64[0].len, .filter = code};
    unsigned noticed = 0;
    unsigned damages = 0;

    for (unsigned i = 0; i < damaged.len; i++) {
        struct subject subject = {.filter = &damaged, .native = AUDIT_ARCH_X86_64};

        memcpy(code, filters_x86_64[0].filter, damaged.len * sizeof(code[0]));
        if (code[i].code != (BPF_RET | BPF_K) || (code[i].k & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO ||
            (code[i].k & SECCOMP_RET_DATA) != EPERM)
            continue;
        code[i].k = SECCOMP_RET_ALLOW;
        damages++;
        noticed += count_wrong(&subject) > 0;
    }
    cr_expect_gt(damages, 1);
    cr_expect_eq(noticed, 1, "one of the denials is that of socket(2)");
}

/* --- composed profiles --- */

static void sweep_composed(const char *name, const json_t *profile, const struct seccomp_options *options,
                           enum engine_runtime runtime, uint32_t native)
{
    struct subject subject = {.name = name,
                              .options = *options,
                              .native = native,
                              .allows_by_default = engine_allows_by_default(profile)};
    struct sock_fprog *original = profile == NULL ? NULL : engine_compile(profile, runtime, native);
    struct sock_fprog *filter = NULL;
    json_t *composed = NULL;
    json_t *twice = NULL;
    struct error err = {0};

    cr_assert_eq(seccomp_compose(profile, options, &composed, &err), 0, "%s: %s", name, err.text);
    cr_assert_eq(seccomp_compose(composed, options, &twice, &err), 0, "%s: %s", name, err.text);
    cr_expect(json_equal(composed, twice), "%s: composing twice is not composing once", name);
    cr_expect(seccomp_implies(composed, options), "%s", name);
    cr_expect(!seccomp_implies(profile, options), "%s", name);
    filter = engine_compile(composed, runtime, native);
    cr_assert_not_null(filter, "%s: libseccomp refuses the composed profile", name);
    subject.filter = filter;
    subject.original = original;
    sweep(&subject);
    engine_program_free(original);
    engine_program_free(filter);
    json_decref(composed);
    json_decref(twice);
}

/* What engines give by default, and what people add. */
static const char *const usual[] = {
    "CAP_CHOWN",      "CAP_DAC_OVERRIDE", "CAP_FSETID",      "CAP_FOWNER",           "CAP_MKNOD",
    "CAP_NET_RAW",    "CAP_SETGID",       "CAP_SETUID",      "CAP_SETFCAP",          "CAP_SETPCAP",
    "CAP_SYS_CHROOT", "CAP_KILL",         "CAP_AUDIT_WRITE", "CAP_NET_BIND_SERVICE", NULL};
static const char *const few[] = {"CAP_CHOWN", NULL};
static const char *const all[] = {"CAP_AUDIT_WRITE", "CAP_NET_RAW",         "CAP_NET_ADMIN",
                                  "CAP_SYS_ADMIN",   "CAP_SYS_PTRACE",      "CAP_SYS_CHROOT",
                                  "CAP_SYS_MODULE",  "CAP_SYS_BOOT",        "CAP_SYS_PACCT",
                                  "CAP_SYS_RAWIO",   "CAP_SYS_TIME",        "CAP_SYS_TTY_CONFIG",
                                  "CAP_SYS_NICE",    "CAP_SYSLOG",          "CAP_BPF",
                                  "CAP_PERFMON",     "CAP_DAC_READ_SEARCH", NULL};

static void sweep_engine(const char *name, json_t *profile)
{
    static const struct {
        const char *const *capabilities;
        unsigned variant;
        enum engine_runtime runtime;
    } cases[] = {
        {usual, 0, ENGINE_CRUN},
        {usual, 0, ENGINE_RUNC},
        {usual, FILTER_NESTED, ENGINE_CRUN},
        {usual, FILTER_I386, ENGINE_CRUN},
        {usual, FILTER_I386 | FILTER_NESTED, ENGINE_RUNC},
        {few, 0, ENGINE_RUNC},
        {all, 0, ENGINE_CRUN},
        {all, 0, ENGINE_RUNC},
        {all, FILTER_I386, ENGINE_RUNC},
        {all, FILTER_I386 | FILTER_NESTED, ENGINE_RUNC},
    };

    for (size_t i = 0; i < array_size(cases); i++) {
        struct seccomp_options options = options_of(cases[i].variant);
        json_t *oci = engine_to_oci(profile, cases[i].capabilities, "amd64");

        sweep_composed(name, oci, &options, cases[i].runtime, AUDIT_ARCH_X86_64);
        json_decref(oci);
    }
    for (unsigned variant = 0; variant < 2; variant++) {
        struct seccomp_options options = options_of(variant);
        json_t *oci = engine_to_oci(profile, usual, "arm64");

        sweep_composed(name, oci, &options, ENGINE_CRUN, AUDIT_ARCH_AARCH64);
        json_decref(oci);
    }
    json_decref(profile);
}

Test(seccomp, composed_with_dockers_default)
{
    sweep_engine("docker", engine_load_docker());
}

Test(seccomp, composed_with_containers_common)
{
    sweep_engine("containers-common", engine_load_containers_common());
}

static void expect_fallback(json_t *profile)
{
    static const char *const calls[] = {"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"};
    static const char *const *const sets[] = {usual, few, all};

    for (size_t i = 0; i < array_size(sets); i++) {
        json_t *oci = engine_to_oci(profile, sets[i], "amd64");
        json_t *composed = NULL;
        struct sock_fprog *filter = NULL;
        struct error err = {0};
        const struct seccomp_options options = {0};

        cr_assert_eq(seccomp_compose(oci, &options, &composed, &err), 0, "%s", err.text);
        filter = engine_compile(composed, ENGINE_RUNC, AUDIT_ARCH_X86_64);
        for (size_t j = 0; j < array_size(calls); j++) {
            const struct seccomp_data call = {
                .nr = oracle_number(AUDIT_ARCH_X86_64, calls[j]),
                .arch = AUDIT_ARCH_X86_64,
            };

            cr_expect_eq(cbpf_run(filter, &call), SECCOMP_RET_ERRNO | ENOSYS, "%s", calls[j]);
        }
        engine_program_free(filter);
        json_decref(composed);
        json_decref(oci);
    }
    json_decref(profile);
}

/* With any other errno libc would not fall back to clone(2): no thread could be made. */
Test(seccomp, composed_profiles_let_libc_fall_back)
{
    expect_fallback(engine_load_docker());
    expect_fallback(engine_load_containers_common());
}

/* Whether R says more of the call than that it is allowed. */
static bool has_a_rule(int number)
{
    static const char *const calls[] = {
        "socket",         "socketpair",  "clone",       "clone3",         "unshare",
        "setns",          "request_key", "pidfd_getfd", "io_uring_setup", "io_uring_register",
        "io_uring_enter", "add_key",     "keyctl"};

    for (size_t i = 0; i < array_size(calls); i++)
        if (oracle_number(AUDIT_ARCH_X86_64, calls[i]) == number)
            return true;
    return false;
}

static void expect_cached(json_t *profile, enum engine_runtime runtime)
{
    const int socket = oracle_number(AUDIT_ARCH_X86_64, "socket");
    const struct seccomp_options options = {0};
    json_t *oci = engine_to_oci(profile, usual, "amd64");
    struct sock_fprog *original = engine_compile(oci, runtime, AUDIT_ARCH_X86_64);
    struct sock_fprog *filter = NULL;
    json_t *composed = NULL;
    struct error err = {0};
    unsigned cached = 0;

    cr_assert_eq(seccomp_compose(oci, &options, &composed, &err), 0, "%s", err.text);
    filter = engine_compile(composed, runtime, AUDIT_ARCH_X86_64);
    for (int number = 0; number < 512; number++) {
        if (has_a_rule(number) || !cbpf_always_allows(original, AUDIT_ARCH_X86_64, number))
            continue;
        cr_expect(cbpf_always_allows(filter, AUDIT_ARCH_X86_64, number), "system call %d", number);
        cached++;
    }
    cr_expect_gt(cached, 250);
    cr_expect(!cbpf_always_allows(filter, AUDIT_ARCH_X86_64, socket), "its arguments are looked at");
    engine_program_free(original);
    engine_program_free(filter);
    json_decref(composed);
    json_decref(oci);
}

/* What the engine's profile always allows costs no more with ours: the kernel goes on to answer it from its
 * cache. */
Test(seccomp, composed_profiles_leave_calls_in_the_cache)
{
    json_t *profiles[] = {engine_load_docker(), engine_load_containers_common()};

    for (size_t i = 0; i < array_size(profiles); i++) {
        for (unsigned runtime = 0; runtime < ENGINE_RUNTIMES; runtime++)
            expect_cached(profiles[i], runtime);
        json_decref(profiles[i]);
    }
}

static void sweep_text(const char *name, const char *text)
{
    json_t *profile = json_loads(text, 0, NULL);

    cr_assert_not_null(profile);
    for (unsigned variant = 0; variant < FILTER_VARIANTS; variant++) {
        struct seccomp_options options = options_of(variant);

        for (unsigned runtime = 0; runtime < ENGINE_RUNTIMES; runtime++)
            sweep_composed(name, profile, &options, runtime, AUDIT_ARCH_X86_64);
    }
    json_decref(profile);
}

Test(seccomp, composed_with_no_profile)
{
    for (unsigned variant = 0; variant < FILTER_VARIANTS; variant++) {
        struct seccomp_options options = options_of(variant);

        for (unsigned runtime = 0; runtime < ENGINE_RUNTIMES; runtime++)
            sweep_composed("none", NULL, &options, runtime, AUDIT_ARCH_X86_64);
    }
}

Test(seccomp, composed_with_unconfined)
{
    sweep_text("unconfined", "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": []}");
    sweep_text("unconfined, all ABIs",
               "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_X86_64\", "
               "\"SCMP_ARCH_X86\", \"SCMP_ARCH_X32\"]}");
}

/* Whether the neighbours of what is allowed, and all numbers, are still answered as the rule does. */
static bool has_no_hole(const struct sock_fprog *filter)
{
    struct subject subject = {
        .name = "damaged", .filter = filter, .native = AUDIT_ARCH_X86_64, .quiet = true};

    sweep_neighbours(&subject, AUDIT_ARCH_X86_64, oracle_number(AUDIT_ARCH_X86_64, "socket"));
    sweep_neighbours(&subject, AUDIT_ARCH_X86_64, oracle_number(AUDIT_ARCH_X86_64, "socketpair"));
    sweep_flags(&subject, AUDIT_ARCH_X86_64, "clone");
    sweep_flags(&subject, AUDIT_ARCH_X86_64, "unshare");
    sweep_numbers(&subject);
    return subject.wrong == 0;
}

/* Each rule that composing adds closes something: without it the sweep sees a leak. */
Test(seccomp, control_every_composed_rule_is_needed)
{
    json_t *composed = NULL;
    json_t *entries = NULL;
    struct error err = {0};
    const struct seccomp_options options = {0};

    cr_assert_eq(seccomp_compose(NULL, &options, &composed, &err), 0, "%s", err.text);
    entries = json_object_get(composed, "syscalls");
    cr_expect_gt(json_array_size(entries), 40);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        json_t *removed = json_incref(json_array_get(entries, i));
        struct sock_fprog *filter = NULL;
        char *text = json_dumps(removed, JSON_COMPACT);

        json_array_remove(entries, i);
        filter = engine_compile(composed, ENGINE_CRUN, AUDIT_ARCH_X86_64);
        if (strstr(text, "\"socketcall\"") == NULL) /* of i386, which is not allowed here */
            cr_expect(!has_no_hole(filter), "nobody misses %s", text);
        json_array_insert_new(entries, i, removed);
        engine_program_free(filter);
        free(text);
    }
    json_decref(composed);
}

/* Docker 28's way to keep AF_VSOCK out, which 64-bit comparisons leave open. */
Test(seccomp, composed_with_not_equal)
{
    sweep_text("not equal",
               "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": [\"socket\", \"clone\", "
               "\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 0, \"value\": 40, \"op\": "
               "\"SCMP_CMP_NE\"}]}]}");
}

Test(seccomp, standard_profile)
{
    for (unsigned variant = 0; variant < FILTER_VARIANTS; variant++) {
        struct subject subject = {
            .name = "standard", .options = options_of(variant), .native = AUDIT_ARCH_X86_64};
        struct sock_fprog *filter = NULL;
        json_t *profile = NULL;
        struct error err = {0};

        cr_assert_eq(seccomp_profile(&subject.options, &profile, &err), 0, "%s", err.text);
        cr_expect(seccomp_implies(profile, &subject.options));
        filter = engine_compile(profile, ENGINE_CRUN, AUDIT_ARCH_X86_64);
        cr_assert_not_null(filter);
        cr_assert(cbpf_valid(filter));
        subject.filter = filter;
        sweep_sockets(&subject, AUDIT_ARCH_X86_64);
        cr_expect_eq(subject.wrong, 0);
        engine_program_free(filter);
        json_decref(profile);
    }
}

/* A name that libseccomp does not know is silently ignored: a misspelt one would be. */
Test(seccomp, standard_profile_names_are_known)
{
    static const char *const newer[] = {
        "cachestat",         "fchmodat2",        "file_getattr",      "file_setattr", "futex_requeue",
        "futex_wait",        "futex_wake",       "getxattrat",        "listmount",    "listxattrat",
        "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "mseal",        "removexattrat",
        "setxattrat",        "statmount",        "map_shadow_stack",
    };
    const struct seccomp_options options = {.nested = true};
    json_t *profile = NULL;
    json_t *entry = NULL;
    size_t i = 0;
    struct error err = {0};

    cr_assert_eq(seccomp_profile(&options, &profile, &err), 0, "%s", err.text);
    json_array_foreach(json_object_get(profile, "syscalls"), i, entry)
    {
        json_t *name = NULL;
        size_t j = 0;

        json_array_foreach(json_object_get(entry, "names"), j, name)
        {
            bool known = seccomp_syscall_resolve_name(json_string_value(name)) != __NR_SCMP_ERROR;

            for (size_t k = 0; k < array_size(newer); k++)
                known = known || strcmp(newer[k], json_string_value(name)) == 0;
            cr_expect(known, "%s", json_string_value(name));
        }
    }
    json_decref(profile);
}

Test(seccomp, standard_profile_denies_what_reaches_the_host)
{
    static const char *const denied[] = {
        "acct",
        "add_key",
        "bpf",
        "delete_module",
        "finit_module",
        "init_module",
        "ioperm",
        "iopl",
        "kexec_load",
        "kexec_file_load",
        "keyctl",
        "mount",
        "move_mount",
        "nfsservctl",
        "open_tree",
        "open_by_handle_at",
        "pivot_root",
        "perf_event_open",
        "quotactl",
        "reboot",
        "request_key",
        "setns",
        "settimeofday",
        "clock_settime",
        "swapon",
        "swapoff",
        "syslog",
        "umount2",
        "unshare",
        "userfaultfd",
        "io_uring_setup",
        "pidfd_getfd",
        "clone3",
        "fsopen",
        "fsmount",
        "vhangup",
    };
    const struct seccomp_options options = {0};
    struct sock_fprog *filter = NULL;
    json_t *profile = NULL;
    struct error err = {0};

    cr_assert_eq(seccomp_profile(&options, &profile, &err), 0, "%s", err.text);
    filter = engine_compile(profile, ENGINE_RUNC, AUDIT_ARCH_X86_64);
    for (size_t i = 0; i < array_size(denied); i++) {
        const struct seccomp_data call = {
            .nr = oracle_number(AUDIT_ARCH_X86_64, denied[i]),
            .arch = AUDIT_ARCH_X86_64,
        };

        cr_assert_geq(call.nr, 0, "%s", denied[i]);
        cr_expect(!lets_through(filter, &call), "%s", denied[i]);
    }
    engine_program_free(filter);
    json_decref(profile);
}
