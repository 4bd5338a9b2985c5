/* SPDX-License-Identifier: Apache-2.0
 *
 * The nft program, for tests only: the independent reader of the rules that we make, and the hand that takes
 * a rule away. It runs in the namespace of the caller. */
#pragma once

#include <stddef.h>

/* Runs `nft COMMAND` (one line of nft's language). Returns its exit status. */
int nft_program(const char *command);

/* The same; its output goes to `output`, cut to `size`. `debug`: with --debug=netlink, which adds the
 * kernel's own form of the rules. */
int nft_program_output(const char *command, int debug, char *output, size_t size);
