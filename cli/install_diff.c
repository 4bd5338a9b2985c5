/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/install_diff.h"

#include "base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    CONTEXT = 3,
    /* Lines on either side, without a common beginning and end, up to which the shortest difference is looked
     * for. Beyond it everything between is shown as replaced: right, but longer. */
    MIDDLE_MAX = 2000,
};

struct line {
    const char *text;
    size_t length; /* with the newline, where there is one */
};

struct lines {
    struct line *items;
    size_t count;
};

/* One line of the result: ' ', '-' or '+'. */
struct step {
    char sign;
    const struct line *line;
};

static bool split(const char *text, size_t length, struct lines *ret)
{
    size_t count = 0;

    for (size_t i = 0; i < length; i++)
        count += text[i] == '\n' || i + 1 == length ? 1 : 0;
    ret->items = calloc(count + 1, sizeof(*ret->items));
    if (ret->items == NULL)
        return false;
    for (size_t start = 0; start < length; ret->count++) {
        const char *newline = memchr(text + start, '\n', length - start);
        size_t end = newline != NULL ? (size_t)(newline - text) + 1 : length;

        ret->items[ret->count] = (struct line){text + start, end - start};
        start = end;
    }
    return true;
}

static bool same(const struct line *a, const struct line *b)
{
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

static size_t replace_all(const struct lines *old, const struct lines *new, struct step *steps)
{
    size_t count = 0;

    for (size_t i = 0; i < old->count; i++)
        steps[count++] = (struct step){'-', &old->items[i]};
    for (size_t i = 0; i < new->count; i++)
        steps[count++] = (struct step){'+', &new->items[i]};
    return count;
}

/* The length of the longest common subsequence of what follows old[i] and new[j], for every i and j. */
static uint16_t *common_lengths(const struct lines *old, const struct lines *new)
{
    size_t width = new->count + 1;
    uint16_t *lengths = calloc((old->count + 1) * width, sizeof(*lengths));

    if (lengths == NULL)
        return NULL;
    for (size_t i = old->count; i-- > 0;)
        for (size_t j = new->count; j-- > 0;) {
            uint16_t down = lengths[(i + 1) * width + j];
            uint16_t right = lengths[i * width + j + 1];

            lengths[i * width + j] = same(&old->items[i], &new->items[j])
                                         ? (uint16_t)(lengths[(i + 1) * width + j + 1] + 1)
                                         : (down > right ? down : right);
        }
    return lengths;
}

static size_t middle_steps(const struct lines *old, const struct lines *new, struct step *steps)
{
    size_t width = new->count + 1;
    size_t count = 0;
    size_t i = 0;
    size_t j = 0;
    cleanup_free uint16_t *lengths =
        old->count <= MIDDLE_MAX && new->count <= MIDDLE_MAX ? common_lengths(old, new) : NULL;

    if (lengths == NULL)
        return replace_all(old, new, steps);
    while (i < old->count || j < new->count) {
        if (i < old->count && j < new->count &&same(&old->items[i], &new->items[j])) {
            steps[count++] = (struct step){' ', &old->items[i++]};
            j++;
        } else if (j == new->count ||
                   (i < old->count && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) {
            steps[count++] = (struct step){'-', &old->items[i++]};
        } else {
            steps[count++] = (struct step){'+', &new->items[j++]};
        }
    }
    return count;
}

/* `steps` holds as many as both have lines. */
static size_t find_steps(const struct lines *old, const struct lines *new, struct step *steps)
{
    size_t head = 0;
    size_t tail = 0;
    size_t count = 0;
    size_t shorter = old->count < new->count ? old->count : new->count;
    struct lines middle_old;
    struct lines middle_new;

    while (head < shorter && same(&old->items[head], &new->items[head]))
        head++;
    while (tail < shorter - head &&
           same(&old->items[old->count - tail - 1], &new->items[new->count - tail - 1]))
        tail++;
    middle_old = (struct lines){old->items + head, old->count - head - tail};
    middle_new = (struct lines){new->items + head, new->count - head - tail};
    for (size_t i = 0; i < head; i++)
        steps[count++] = (struct step){' ', &old->items[i]};
    count += middle_steps(&middle_old, &middle_new, steps + count);
    for (size_t i = old->count - tail; i < old->count; i++)
        steps[count++] = (struct step){' ', &old->items[i]};
    return count;
}

static void print_range(char sign, size_t start, size_t length, FILE *out)
{
    /* An empty range is numbered by the line before it. */
    fprintf(out, " %c%zu", sign, length == 0 ? start : start + 1);
    if (length != 1)
        fprintf(out, ",%zu", length);
}

static void print_hunk(const struct step *steps, size_t count, size_t old_start, size_t new_start, FILE *out)
{
    size_t old_length = 0;
    size_t new_length = 0;

    for (size_t i = 0; i < count; i++) {
        old_length += steps[i].sign != '+' ? 1 : 0;
        new_length += steps[i].sign != '-' ? 1 : 0;
    }
    fputs("@@", out);
    print_range('-', old_start, old_length, out);
    print_range('+', new_start, new_length, out);
    fputs(" @@\n", out);
    for (size_t i = 0; i < count; i++) {
        const struct line *line = steps[i].line;

        fprintf(out, "%c%.*s", steps[i].sign, (int)line->length, line->text);
        if (line->text[line->length - 1] != '\n')
            fputs("\n\\ No newline at end of file\n", out);
    }
}

/* Where the hunk that begins at `first`, a change, ends: CONTEXT lines after its last change, which is
 * followed by more than two contexts of equal lines, or by none. */
static size_t hunk_end(const struct step *steps, size_t count, size_t first)
{
    size_t last = first;

    for (size_t i = first; i < count && i - last <= 2 * CONTEXT + 1; i++)
        if (steps[i].sign != ' ')
            last = i;
    return last + 1 + CONTEXT < count ? last + 1 + CONTEXT : count;
}

static void print_hunks(const struct step *steps, size_t count, FILE *out)
{
    size_t old_line = 0;
    size_t new_line = 0;

    for (size_t i = 0; i < count;) {
        size_t change = i;
        size_t start = 0;
        size_t end = 0;

        while (change < count && steps[change].sign == ' ')
            change++;
        if (change == count)
            return;
        start = change - i > CONTEXT ? change - CONTEXT : i;
        end = hunk_end(steps, count, change);
        old_line += start - i;
        new_line += start - i;
        print_hunk(steps + start, end - start, old_line, new_line, out);
        for (i = start; i < end; i++) {
            old_line += steps[i].sign != '+' ? 1 : 0;
            new_line += steps[i].sign != '-' ? 1 : 0;
        }
    }
}

void diff_print(const char *path, const char *before, size_t before_length, const char *after,
                size_t after_length, FILE *out)
{
    struct lines old = {0};
    struct lines new = {0};
    struct step *steps = NULL;

    if (before_length == after_length && (before == NULL) == (after == NULL) &&
        (before == NULL || memcmp(before, after, before_length) == 0))
        return;
    fprintf(out, "--- %s\n+++ %s\n", before != NULL ? path : "/dev/null", after != NULL ? path : "/dev/null");
    if (split(before, before_length, &old) && split(after, after_length, &new))
        steps = calloc(old.count + new.count + 1, sizeof(*steps));
    if (steps != NULL)
        print_hunks(steps, find_steps(&old, &new, steps), out);
    else
        fputs("(not enough memory for the difference)\n", out);
    free(steps);
    free(old.items);
    free(new.items);
}
