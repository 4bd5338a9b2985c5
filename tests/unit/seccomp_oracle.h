/* SPDX-License-Identifier: Apache-2.0
 *
 * The rule R once more, in plain words of C, written without looking at the table that the filters are made
 * from: names of calls go through libseccomp's tables, values are numbers from the kernel's headers. If both
 * agree on every question, both are right or both are wrong in the same way. */
#pragma once

#include "seccomp/seccomp.h"

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

/* Whether R lets the call through on the machine's native ABI `native` (AUDIT_ARCH_...). */
bool oracle_allows(const struct seccomp_data *call, uint32_t native, const struct seccomp_options *options);

/* How many of the call's first arguments R takes for 32 bits, as the kernel does: 0 where R has no say. */
unsigned oracle_truncated(const struct seccomp_data *call, const struct seccomp_options *options);

/* Whether a profile that allows by default may refuse the call though R lets it through: an argument that R
 * takes for 32 bits has something in its upper half. */
bool oracle_leaves_open(const struct seccomp_data *call, const struct seccomp_options *options);

/* The number of the call in the ABI, -1 if it has none. */
int oracle_number(uint32_t arch, const char *name);
