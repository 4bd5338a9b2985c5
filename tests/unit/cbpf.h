/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a seccomp filter as the kernel would, on system calls that are only numbers: the way to ask a filter
 * millions of questions. It checks what the kernel's verifier checks, so that a program it runs can be
 * loaded. */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

/* Whether the kernel would load it: instructions known, loads aligned and inside seccomp_data, jumps forward
 * and inside, a return at the end. */
bool cbpf_valid(const struct sock_fprog *program);

/* What a valid program returns for the call. */
uint32_t cbpf_run(const struct sock_fprog *program, const struct seccomp_data *data);

/* Whether a valid program allows the call whatever its arguments are, and finds that out without looking at
 * them: such a call is in the kernel's cache (since Linux 5.11), and no filter runs for it any more. */
bool cbpf_always_allows(const struct sock_fprog *program, uint32_t arch, int number);
