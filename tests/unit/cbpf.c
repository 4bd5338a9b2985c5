/* SPDX-License-Identifier: Apache-2.0 */
#include "cbpf.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static bool valid_jump(const struct sock_fprog *program, unsigned at)
{
    const struct sock_filter *code = &program->filter[at];
    unsigned remaining = program->len - at - 1u;

    if (code->code == (BPF_JMP | BPF_JA))
        return code->k < remaining;
    return code->jt < remaining && code->jf < remaining;
}

static bool valid_instruction(const struct sock_fprog *program, unsigned at)
{
    const struct sock_filter *code = &program->filter[at];

    switch (code->code) {
    case BPF_LD | BPF_W | BPF_ABS:
        return code->k % 4 == 0 && code->k < sizeof(struct seccomp_data);
    case BPF_ALU | BPF_AND | BPF_K:
    case BPF_RET | BPF_K:
        return true;
    case BPF_JMP | BPF_JA:
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_K:
    case BPF_JMP | BPF_JSET | BPF_K:
        return valid_jump(program, at);
    default:
        return false;
    }
}

bool cbpf_valid(const struct sock_fprog *program)
{
    if (program->len == 0 || program->len > BPF_MAXINSNS)
        return false;
    for (unsigned i = 0; i < program->len; i++)
        if (!valid_instruction(program, i))
            return false;
    return program->filter[program->len - 1].code == (BPF_RET | BPF_K);
}

static uint32_t load(const struct seccomp_data *data, uint32_t offset)
{
    uint32_t word = 0;

    memcpy(&word, (const char *)data + offset, sizeof(word));
    return word;
}

/* *ret_looked: whether anything but number and architecture was asked for. */
static uint32_t run(const struct sock_fprog *program, const struct seccomp_data *data, bool *ret_looked)
{
    const struct sock_filter *code = program->filter;
    uint32_t accumulator = 0;

    *ret_looked = false;
    for (;; code++) {
        bool condition = false;

        switch (code->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            accumulator = load(data, code->k);
            *ret_looked |= code->k >= offsetof(struct seccomp_data, instruction_pointer);
            continue;
        case BPF_ALU | BPF_AND | BPF_K:
            accumulator &= code->k;
            continue;
        case BPF_RET | BPF_K:
            return code->k;
        case BPF_JMP | BPF_JA:
            code += code->k;
            continue;
        case BPF_JMP | BPF_JEQ | BPF_K:
            condition = accumulator == code->k;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            condition = accumulator > code->k;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            condition = accumulator >= code->k;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            condition = (accumulator & code->k) != 0;
            break;
        default:
            abort(); /* not a valid program */
        }
        code += condition ? code->jt : code->jf;
    }
}

uint32_t cbpf_run(const struct sock_fprog *program, const struct seccomp_data *data)
{
    bool looked = false;

    return run(program, data, &looked);
}

bool cbpf_always_allows(const struct sock_fprog *program, uint32_t arch, int number)
{
    const struct seccomp_data call = {.nr = number, .arch = arch};
    bool looked = false;

    return run(program, &call, &looked) == SECCOMP_RET_ALLOW && !looked;
}
