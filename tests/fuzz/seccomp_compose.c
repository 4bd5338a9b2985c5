/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes as a container's seccomp profile. Composing is refused with a reason, or what comes
 * out implies the rule R, does not change when it is composed again, and, compiled as a runtime does, lets no
 * call through that the rule denies, nor one that the profile denies by a plain reading of it. */
#include "../unit/cbpf.h"
#include "../unit/seccomp_engines.h"
#include "../unit/seccomp_oracle.h"
#include "../unit/seccomp_reading.h"
#include "base/json.h"
#include "require.h"
#include "seccomp/seccomp.h"

#include <linux/audit.h>

enum { RULES_MAX = 400 };

static void ask(const json_t *profile, const struct sock_fprog *program,
                const struct seccomp_options *options)
{
    static const char *const calls[] = {"socket",      "socketpair",     "clone",  "unshare",
                                        "setns",       "io_uring_setup", "clone3", "pidfd_getfd",
                                        "request_key", "add_key",        "keyctl"};
    static const uint64_t values[] = {
        0,  1,  2,  3,          10,         16,         17,         40,
        38, 44, 11, 0x00020000, 0x10000000, 0x40000000, UINT32_MAX, 1ULL << 32 | 40};

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        for (size_t k = 0; k < 16 * 16; k++) {
            const struct seccomp_data call = {.nr = oracle_number(AUDIT_ARCH_X86_64, calls[i]),
                                              .arch = AUDIT_ARCH_X86_64,
                                              .args = {values[k / 16], values[k % 16], values[(k + i) % 16]}};
            uint32_t action = cbpf_run(program, &call) & SECCOMP_RET_ACTION_FULL;
            struct seccomp_data same = call; /* to the kernel */

            for (size_t j = 0; j < oracle_truncated(&call, options); j++)
                same.args[j] = (uint32_t)call.args[j];
            if (action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG)
                require(oracle_allows(&call, AUDIT_ARCH_X86_64, options) &&
                        reading_permits(profile, calls[i], &same));
        }
    }
}

/* Compiled for this machine alone: which other architectures a profile names is not what is asked here. Not
 * with hundreds of rules, which take libseccomp a second and say nothing that tens do not. */
static void check_compiled(const json_t *profile, const json_t *composed,
                           const struct seccomp_options *options)
{
    cleanup_json json_t *native = json_deep_copy(composed);
    struct sock_fprog *program = NULL;

    if (json_array_size(json_object_get(composed, "syscalls")) > RULES_MAX)
        return;
    json_object_del(native, "architectures");
    program = engine_compile(native, ENGINE_CRUN, AUDIT_ARCH_X86_64);
    if (program == NULL)
        return; /* libseccomp refuses it: the container does not start */
    require(cbpf_valid(program));
    ask(profile, program, options);
    engine_program_free(program);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_json json_t *profile = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    cleanup_json json_t *before = json_deep_copy(profile);
    cleanup_json json_t *composed = NULL;
    cleanup_json json_t *twice = NULL;
    struct seccomp_options options = {.nested = size % 4 == 1, .i386 = size % 4 == 2};
    struct error err = {.number = 0};

    if (profile == NULL)
        return 0;
    if (seccomp_compose(profile, &options, &composed, &err) < 0) {
        require(err.text[0] != '\0' && composed == NULL);
        return 0;
    }
    require(json_equal(before, profile));
    require(seccomp_implies(composed, &options));
    require(seccomp_compose(composed, &options, &twice, &err) == 0 && json_equal(composed, twice));
    check_compiled(profile, composed, &options);
    return 0;
}
