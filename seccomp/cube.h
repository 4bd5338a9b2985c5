/* SPDX-License-Identifier: Apache-2.0
 *
 * Cubes: sets of system call arguments in which some bits are fixed and the others are free. One cube is what
 * one filter rule made of masked comparisons can say ("family is 2, type without its flags is 1"), so every
 * set in this folder is a list of cubes, and an allow-list turns into deny rules by taking its complement.
 *
 * An argument here is the lower half of the register: socket(2), socketpair(2), clone(2) and unshare(2) look
 * at nothing else. Whatever is in the upper half, a filter denies what it denies without it, or
 * `AF_VSOCK | 1ULL << 32` opens what `AF_VSOCK` does not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CUBE_ARGUMENTS = 3,
    CUBE_SET_MAX = 1024, /* a profile that needs more is refused, not approximated */
};

struct cube {
    uint32_t value[CUBE_ARGUMENTS]; /* the fixed bits; the free ones are 0 */
    uint32_t mask[CUBE_ARGUMENTS];  /* which bits are fixed */
};

struct cube_set {
    struct cube items[CUBE_SET_MAX];
    size_t count;
};

/* A bit of one argument. The order of all bits, on which every canonical form here relies, is argument 0
 * before 1 before 2 and in each the highest bit first. */
struct cube_bit {
    unsigned argument;
    uint32_t bit; /* a power of two */
};

/* The half of the cube in which the bit, which must be free, is set or clear. */
struct cube cube_half(const struct cube *cube, struct cube_bit at, bool set);

/* Adds the cube. Returns false, and leaves the set as it was, if it is full. */
bool cube_set_add(struct cube_set *set, const struct cube *cube);

/* Appends to *ret, which must be empty, cubes that together hold exactly the arguments that no cube of `set`
 * holds, each as large as it can be and none of them without need. The result depends on nothing but `set`.
 * Returns false if *ret is too small. */
bool cube_set_complement(const struct cube_set *set, struct cube_set *ret);
