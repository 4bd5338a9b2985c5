/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp/cube.h"

#include <string.h>

enum { PATIENCE = 10000 }; /* steps spent on whether one cube is redundant */

/* Whether there are arguments in both cubes. */
static bool intersects(const struct cube *a, const struct cube *b)
{
    for (unsigned i = 0; i < CUBE_ARGUMENTS; i++)
        if (((a->value[i] ^ b->value[i]) & a->mask[i] & b->mask[i]) != 0)
            return false;
    return true;
}

/* Whether all arguments in `inner` are in `outer`. */
static bool covers(const struct cube *outer, const struct cube *inner)
{
    for (unsigned i = 0; i < CUBE_ARGUMENTS; i++)
        if ((outer->mask[i] & ~inner->mask[i]) != 0)
            return false;
    return intersects(outer, inner);
}

struct cube cube_half(const struct cube *cube, struct cube_bit at, bool set)
{
    struct cube half = *cube;

    half.mask[at.argument] |= at.bit;
    if (set)
        half.value[at.argument] |= at.bit;
    return half;
}

bool cube_set_add(struct cube_set *set, const struct cube *cube)
{
    if (set->count == CUBE_SET_MAX)
        return false;
    set->items[set->count++] = *cube;
    return true;
}

static const struct cube *find_intersecting(const struct cube_set *set, const struct cube *cube)
{
    for (size_t i = 0; i < set->count; i++)
        if (intersects(&set->items[i], cube))
            return &set->items[i];
    return NULL;
}

static bool is_covered(const struct cube_set *set, const struct cube *cube)
{
    for (size_t i = 0; i < set->count; i++)
        if (covers(&set->items[i], cube))
            return true;
    return false;
}

/* The fixed bits in which a cube differs from one of the set: what keeps them apart. */
struct difference {
    uint32_t bits[CUBE_ARGUMENTS];
};

static void find_differences(const struct cube *cube, const struct cube_set *set, struct difference *ret)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct cube *other = &set->items[i];

        for (unsigned j = 0; j < CUBE_ARGUMENTS; j++)
            ret[i].bits[j] = (cube->value[j] ^ other->value[j]) & cube->mask[j] & other->mask[j];
    }
}

/* Whether all cubes of the set are still kept apart without the bit. */
static bool is_dispensable(const struct difference *differences, size_t count, unsigned argument,
                           uint32_t bit)
{
    for (size_t i = 0; i < count; i++) {
        struct difference rest = differences[i];

        rest.bits[argument] &= ~bit;
        if ((rest.bits[0] | rest.bits[1] | rest.bits[2]) == 0)
            return false;
    }
    return true;
}

/* Frees every fixed bit that can be free without reaching into `set`. */
static struct cube expand(const struct cube *cube, const struct cube_set *set)
{
    struct difference differences[CUBE_SET_MAX];
    struct cube expanded = *cube;

    find_differences(cube, set, differences);
    for (unsigned i = 0; i < CUBE_ARGUMENTS; i++) {
        for (uint32_t bit = 1U << 31; bit != 0; bit >>= 1) {
            if ((expanded.mask[i] & bit) == 0 || !is_dispensable(differences, set->count, i, bit))
                continue;
            expanded.mask[i] &= ~bit;
            expanded.value[i] &= ~bit;
            for (size_t j = 0; j < set->count; j++)
                differences[j].bits[i] &= ~bit;
        }
    }
    return expanded;
}

/* The first bit that is fixed in `fixed` and free in `cube`. The caller knows that there is one. */
static struct cube_bit first_free(const struct cube *cube, const struct cube *fixed)
{
    struct cube_bit at = {0};

    for (at.argument = 0; at.argument < CUBE_ARGUMENTS - 1; at.argument++)
        if ((fixed->mask[at.argument] & ~cube->mask[at.argument]) != 0)
            break;
    at.bit = 1U << 31;
    while ((fixed->mask[at.argument] & ~cube->mask[at.argument] & at.bit) == 0)
        at.bit >>= 1;
    return at;
}

/* Adds what `set` leaves of `cube`. Each step fixes one more bit, so the depth is the number of bits. */
static bool complement_within(const struct cube *cube, const struct cube_set *set, struct cube_set *ret)
{
    const struct cube *touching = find_intersecting(set, cube);
    struct cube_bit at;
    struct cube half;

    if (is_covered(ret, cube) || is_covered(set, cube))
        return true;
    if (touching == NULL) {
        half = expand(cube, set);
        return cube_set_add(ret, &half);
    }
    at = first_free(cube, touching);
    half = cube_half(cube, at, true);
    if (!complement_within(&half, set, ret))
        return false;
    half = cube_half(cube, at, false);
    return complement_within(&half, set, ret);
}

/* Whether the cubes but one hold all of `cube`. Gives up, which is a "no", when it takes too long. */
static bool is_covered_by_others(const struct cube_set *set, size_t except, const struct cube *cube,
                                 unsigned *patience)
{
    const struct cube *touching = NULL;
    struct cube_bit at;
    struct cube set_half;
    struct cube clear_half;

    if (*patience == 0)
        return false;
    (*patience)--;
    for (size_t i = 0; i < set->count; i++) {
        if (i == except || !intersects(&set->items[i], cube))
            continue;
        if (covers(&set->items[i], cube))
            return true;
        touching = touching == NULL ? &set->items[i] : touching;
    }
    if (touching == NULL)
        return false;
    at = first_free(cube, touching);
    set_half = cube_half(cube, at, true);
    clear_half = cube_half(cube, at, false);
    return is_covered_by_others(set, except, &set_half, patience) &&
           is_covered_by_others(set, except, &clear_half, patience);
}

/* Drops cubes that the others hold together. */
static void drop_redundant(struct cube_set *set)
{
    for (size_t i = set->count; i-- > 0;) {
        unsigned patience = PATIENCE;

        if (!is_covered_by_others(set, i, &set->items[i], &patience))
            continue;
        set->count--;
        memmove(&set->items[i], &set->items[i + 1], (set->count - i) * sizeof(set->items[0]));
    }
}

bool cube_set_complement(const struct cube_set *set, struct cube_set *ret)
{
    static const struct cube everything;

    if (!complement_within(&everything, set, ret))
        return false;
    drop_redundant(ret);
    return true;
}
