/* SPDX-License-Identifier: Apache-2.0
 *
 * What a profile's rules allow of a cube. A cube on which the rules do not decide is halved at the first bit
 * that they look at, down to cubes on which they do; halves that turn out alike are one again. Because the
 * order of bits is fixed and likeness is looked for everywhere, the result is a canonical form: it is the
 * same for every profile that allows the same. That is what makes composing idempotent. */
#include "seccomp/profile.h"

#include <string.h>

enum truth {
    NEVER,
    SOMETIMES,
    ALWAYS,
};

enum {
    STEPS_MAX = 1 << 16, /* a profile of an engine needs a few hundred */
};

struct decision {
    const struct profile_rules *rules;
    bool permits_by_default;
    struct cube_set *ret;
    unsigned steps;
};

static enum truth truth_of_range(uint64_t low, uint64_t high, enum profile_comparison comparison,
                                 uint64_t datum)
{
    bool at_low = false;
    bool at_high = false;

    switch (comparison) {
    case PROFILE_LT:
        at_low = low < datum;
        at_high = high < datum;
        break;
    case PROFILE_LE:
        at_low = low <= datum;
        at_high = high <= datum;
        break;
    case PROFILE_GE:
        at_low = low >= datum;
        at_high = high >= datum;
        break;
    default: /* PROFILE_GT */
        at_low = low > datum;
        at_high = high > datum;
        break;
    }
    return at_low == at_high ? (at_low ? ALWAYS : NEVER) : SOMETIMES;
}

/* `mask` is which bits the comparison looks at. Arguments have an upper half of zeros here. */
static enum truth truth_of_bits(const struct cube *cube, unsigned argument, uint64_t mask, uint64_t datum)
{
    uint64_t fixed = cube->mask[argument] | ~(uint64_t)UINT32_MAX;

    if (((cube->value[argument] ^ datum) & mask & fixed) != 0)
        return NEVER;
    return (mask & ~fixed) == 0 ? ALWAYS : SOMETIMES;
}

static enum truth truth_of(const struct cube *cube, const struct profile_condition *condition)
{
    unsigned argument = condition->argument;
    uint64_t low = cube->value[argument];
    uint64_t high = low | (uint32_t)~cube->mask[argument];

    switch (condition->comparison) {
    case PROFILE_EQ:
        return truth_of_bits(cube, argument, UINT64_MAX, condition->value);
    case PROFILE_NE:
        return ALWAYS - truth_of_bits(cube, argument, UINT64_MAX, condition->value);
    case PROFILE_MASKED_EQ:
        return truth_of_bits(cube, argument, condition->value, condition->value_two);
    case PROFILE_LT:
    case PROFILE_LE:
    case PROFILE_GE:
    case PROFILE_GT:
    default:
        return truth_of_range(low, high, condition->comparison, condition->value);
    }
}

static enum truth truth_of_rule(const struct cube *cube, const struct profile_rule *rule)
{
    enum truth truth = ALWAYS;

    for (size_t i = 0; i < rule->count && truth != NEVER; i++) {
        enum truth one = truth_of(cube, &rule->conditions[i]);

        if (one < truth)
            truth = one;
    }
    return truth;
}

/* Whether the profile permits none, some or all of the cube. "Some" may be said too often, never too rarely.
 */
static enum truth permitted(const struct decision *decision, const struct cube *cube)
{
    enum truth permits = decision->permits_by_default ? ALWAYS : NEVER;
    enum truth denies = NEVER;

    for (size_t i = 0; i < decision->rules->count; i++) {
        const struct profile_rule *rule = &decision->rules->items[i];
        enum truth truth = truth_of_rule(cube, rule);
        enum truth *total = rule->permits ? &permits : &denies;

        if (truth > *total)
            *total = truth;
    }
    return permits < ALWAYS - denies ? permits : ALWAYS - denies;
}

static void note_earlier(struct cube_bit *first, unsigned argument, uint32_t candidates)
{
    uint32_t bit = 1U << 31;

    if (candidates == 0 || (first->bit != 0 && first->argument < argument))
        return;
    while ((candidates & bit) == 0)
        bit >>= 1;
    if (first->bit == 0 || first->argument > argument || first->bit < bit)
        *first = (struct cube_bit){.argument = argument, .bit = bit};
}

/* The first free bit that an undecided rule looks at. */
static struct cube_bit first_bit_in_question(const struct decision *decision, const struct cube *cube)
{
    struct cube_bit first = {0};

    for (size_t i = 0; i < decision->rules->count; i++) {
        const struct profile_rule *rule = &decision->rules->items[i];

        if (truth_of_rule(cube, rule) != SOMETIMES)
            continue;
        for (size_t j = 0; j < rule->count; j++) {
            const struct profile_condition *condition = &rule->conditions[j];
            uint32_t looked_at = ~cube->mask[condition->argument];

            if (condition->comparison == PROFILE_MASKED_EQ)
                looked_at &= (uint32_t)condition->value;
            if (truth_of(cube, condition) == SOMETIMES)
                note_earlier(&first, condition->argument, looked_at);
        }
    }
    return first;
}

/* Makes one of the two halves from `start` and from `middle` on, if they are alike but for the bit. */
static void join_halves(struct cube_set *set, size_t start, size_t middle, struct cube_bit at)
{
    size_t count = middle - start;

    if (set->count - middle != count)
        return;
    for (size_t i = start; i < middle; i++) {
        struct cube clear = set->items[i + count];

        clear.value[at.argument] |= at.bit;
        if (memcmp(&clear, &set->items[i], sizeof(clear)) != 0)
            return;
    }
    for (size_t i = start; i < middle; i++) {
        set->items[i].mask[at.argument] &= ~at.bit;
        set->items[i].value[at.argument] &= ~at.bit;
    }
    set->count = middle;
}

static bool intersect(struct decision *decision, const struct cube *cube)
{
    size_t start = decision->ret->count;
    size_t middle = 0;
    struct cube_bit at;
    struct cube half;

    if (++decision->steps > STEPS_MAX)
        return false;
    switch (permitted(decision, cube)) {
    case NEVER:
        return true;
    case ALWAYS:
        return cube_set_add(decision->ret, cube);
    case SOMETIMES:
    default:
        break;
    }
    at = first_bit_in_question(decision, cube);
    half = cube_half(cube, at, true);
    if (!intersect(decision, &half))
        return false;
    middle = decision->ret->count;
    half = cube_half(cube, at, false);
    if (!intersect(decision, &half))
        return false;
    join_halves(decision->ret, start, middle, at);
    return true;
}

int profile_intersect(const struct profile_rules *rules, bool permits_by_default, unsigned arguments,
                      const struct cube *cube, struct cube_set *ret, struct error *err)
{
    struct decision decision = {.rules = rules, .permits_by_default = permits_by_default, .ret = ret};

    for (size_t i = 0; i < rules->count; i++)
        for (size_t j = 0; j < rules->items[i].count; j++)
            if (rules->items[i].conditions[j].argument >= arguments)
                return error_set(err, 0, "condition on argument %u cannot be decided",
                                 rules->items[i].conditions[j].argument);
    if (!intersect(&decision, cube))
        return error_set(err, 0, "conditions are too many to be decided");
    return 0;
}
