/* SPDX-License-Identifier: Apache-2.0
 *
 * Build-time program: prints R as BPF, one array of instructions for each architecture and set of options,
 * made from the table in allowlist.c, and what R denies as cubes. So the hook neither links libseccomp nor
 * spends a microsecond on this.
 *
 * The program reads architecture and number first and returns for every call that is not restricted: the
 * kernel notices that such a decision does not depend on arguments and remembers it, and those calls cost
 * nothing. A foreign ABI ends the process, as it does under a composed profile. Only the lower halves of
 * arguments are read (cube.h). */
#include "seccomp/allowlist.h"

#include "base/cleanup.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROGRAM_MAX = 256, /* jumps reach no further */
    CALLS_MAX = 32,
    X32_BIT = 0x40000000,
    LABEL_NEXT = 0, /* the next instruction */
    LABEL_ALLOW,
    LABEL_KILL,
    LABEL_I386,
    LABEL_CALL,                          /* + index of the call */
    LABEL_CUBE = LABEL_CALL + CALLS_MAX, /* + index of the cube in the whole program */
    LABELS = LABEL_CUBE + 64,
};

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned if_true[PROGRAM_MAX]; /* labels */
    unsigned if_false[PROGRAM_MAX];
    unsigned length;
    unsigned position[LABELS]; /* of labels; 0: none yet (position 0 loads the architecture) */
    unsigned cubes;
};

struct target {
    const char *name;
    enum allowlist_abi abi;
    uint32_t audit;
};

static void fail(const char *why)
{
    fprintf(stderr, "generate: %s\n", why);
    exit(1);
}

static void emit(struct program *program, uint16_t code, uint32_t k, unsigned if_true, unsigned if_false)
{
    if (program->length == PROGRAM_MAX)
        fail("program too long");
    program->code[program->length] = (struct sock_filter){.code = code, .k = k};
    program->if_true[program->length] = if_true;
    program->if_false[program->length] = if_false;
    program->length++;
}

static void load(struct program *program, size_t offset)
{
    emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, LABEL_NEXT, LABEL_NEXT);
}

static void jump_if_equal(struct program *program, uint32_t value, unsigned if_true, unsigned if_false)
{
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, value, if_true, if_false);
}

static void give(struct program *program, uint32_t verdict)
{
    emit(program, BPF_RET | BPF_K, verdict, LABEL_NEXT, LABEL_NEXT);
}

static void place(struct program *program, unsigned label)
{
    if (label >= LABELS || program->position[label] != 0)
        fail("label out of range or placed twice");
    program->position[label] = program->length;
}

/* From the call's number to its block. */
static void dispatch(struct program *program, enum allowlist_abi abi, const struct seccomp_options *options)
{
    load(program, offsetof(struct seccomp_data, nr));
    if (abi == ALLOWLIST_X86_64) {
        /* A tracer skips a call by making its number -1: not an x32 call. */
        jump_if_equal(program, UINT32_MAX, LABEL_ALLOW, LABEL_NEXT);
        emit(program, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, LABEL_KILL, LABEL_NEXT);
    }
    for (unsigned i = 0; i < allowlist_calls_count; i++)
        if (allowlist_restricts(&allowlist_calls[i], options) && allowlist_calls[i].number[abi] >= 0)
            jump_if_equal(program, (uint32_t)allowlist_calls[i].number[abi], LABEL_CALL + i, LABEL_NEXT);
    give(program, SECCOMP_RET_ALLOW);
}

static void allow_cube(struct program *program, const struct cube *cube)
{
    unsigned next = LABEL_CUBE + program->cubes++;

    for (unsigned i = 0; i < CUBE_ARGUMENTS; i++) {
        if (cube->mask[i] == 0)
            continue;
        load(program, offsetof(struct seccomp_data, args[i])); /* little endian: the lower half */
        if (cube->mask[i] != UINT32_MAX)
            emit(program, BPF_ALU | BPF_AND | BPF_K, cube->mask[i], LABEL_NEXT, LABEL_NEXT);
        jump_if_equal(program, cube->value[i], LABEL_NEXT, next);
    }
    give(program, SECCOMP_RET_ALLOW);
    place(program, next);
}

static void decide_call(struct program *program, const struct allowlist_call *call)
{
    for (size_t i = 0; i < call->allowed_count; i++)
        allow_cube(program, &call->allowed[i]);
    give(program, SECCOMP_RET_ERRNO | (uint32_t)call->error);
}

static uint8_t distance(const struct program *program, unsigned from, unsigned label)
{
    unsigned to = label == LABEL_NEXT ? from + 1 : program->position[label];

    if (to <= from || to - from - 1 > UINT8_MAX)
        fail("jump to a label that was not placed, or too far");
    return (uint8_t)(to - from - 1);
}

static void resolve_jumps(struct program *program)
{
    for (unsigned i = 0; i < program->length; i++) {
        if (BPF_CLASS(program->code[i].code) != BPF_JMP)
            continue;
        program->code[i].jt = distance(program, i, program->if_true[i]);
        program->code[i].jf = distance(program, i, program->if_false[i]);
    }
}

static void assemble(struct program *program, const struct target *target,
                     const struct seccomp_options *options)
{
    bool i386 = options->i386 && target->abi == ALLOWLIST_X86_64;

    load(program, offsetof(struct seccomp_data, arch));
    if (i386)
        jump_if_equal(program, AUDIT_ARCH_I386, LABEL_I386, LABEL_NEXT);
    jump_if_equal(program, target->audit, LABEL_NEXT, LABEL_KILL);
    dispatch(program, target->abi, options);
    if (i386) {
        place(program, LABEL_I386);
        dispatch(program, ALLOWLIST_I386, options);
    }
    for (unsigned i = 0; i < allowlist_calls_count; i++) {
        if (!allowlist_restricts(&allowlist_calls[i], options))
            continue;
        place(program, LABEL_CALL + i);
        decide_call(program, &allowlist_calls[i]);
    }
    place(program, LABEL_ALLOW);
    give(program, SECCOMP_RET_ALLOW);
    place(program, LABEL_KILL);
    give(program, SECCOMP_RET_KILL_PROCESS);
    resolve_jumps(program);
}

static void print_code(const struct program *program, const struct target *target, unsigned variant)
{
    printf("static struct sock_filter %s_%u[] = {\n", target->name, variant);
    for (unsigned i = 0; i < program->length; i++)
        printf("    {0x%02x, %u, %u, 0x%08x},\n", program->code[i].code, program->code[i].jt,
               program->code[i].jf, program->code[i].k);
    printf("};\n");
}

static void print_table(const struct target *target)
{
    printf("const struct sock_fprog filters_%s[FILTER_VARIANTS] = {\n", target->name);
    for (unsigned variant = 0; variant < 4; variant++)
        printf("    {sizeof(%s_%u) / sizeof(%s_%u[0]), %s_%u},\n", target->name, variant, target->name,
               variant, target->name, variant);
    printf("};\n");
}

static void print_cube(const struct cube *cube)
{
    printf("    {{0x%x, 0x%x, 0x%x}, {0x%x, 0x%x, 0x%x}},\n", cube->value[0], cube->value[1], cube->value[2],
           cube->mask[0], cube->mask[1], cube->mask[2]);
}

static size_t print_denied(const struct allowlist_call *call)
{
    struct cube_set allowed = {.count = 0};
    struct cube_set denied = {.count = 0};

    for (size_t i = 0; i < call->allowed_count; i++)
        cube_set_add(&allowed, &call->allowed[i]);
    if (!cube_set_complement(&allowed, &denied))
        fail("too many cubes");
    printf("static const struct cube denied_%s[] = {\n", call->name);
    for (size_t i = 0; i < denied.count; i++)
        print_cube(&denied.items[i]);
    printf("};\n");
    return denied.count;
}

static void print_all_denied(void)
{
    size_t counts[CALLS_MAX] = {0};

    for (size_t i = 0; i < allowlist_calls_count; i++)
        if (allowlist_calls[i].allowed_count > 0)
            counts[i] = print_denied(&allowlist_calls[i]);
    printf("const struct filter_denied filter_denied[] = {\n");
    for (size_t i = 0; i < allowlist_calls_count; i++) {
        if (counts[i] > 0)
            printf("    {denied_%s, %zu},\n", allowlist_calls[i].name, counts[i]);
        else
            printf("    {0, 0},\n");
    }
    printf("};\n");
}

int main(void)
{
    static const struct target targets[] = {
        {"x86_64", ALLOWLIST_X86_64, AUDIT_ARCH_X86_64},
        {"aarch64", ALLOWLIST_AARCH64, AUDIT_ARCH_AARCH64},
    };

    if (allowlist_calls_count > CALLS_MAX)
        fail("too many calls");
    printf("/* Generated by seccomp/generate.c. */\n#include \"seccomp/filter.h\"\n");
    for (size_t i = 0; i < array_size(targets); i++) {
        for (unsigned variant = 0; variant < 4; variant++) {
            struct seccomp_options options = {.nested = (variant & 1) != 0, .i386 = (variant & 2) != 0};
            struct program program = {.length = 0};

            assemble(&program, &targets[i], &options);
            print_code(&program, &targets[i], variant);
        }
        print_table(&targets[i]);
    }
    print_all_denied();
    return fflush(stdout) == 0 ? 0 : 1;
}
