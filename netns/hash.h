/* SPDX-License-Identifier: Apache-2.0
 *
 * FNV-1a: spreads names evenly. Not a cryptographic hash; where it is used a collision costs a retry or a
 * refused start, never a wrong permission. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t hash_64(const char *text, size_t length);

/* 128 bits as 32 hexadecimal digits and NUL. */
enum { HASH_128_SIZE = 33 };
void hash_128(const char *text, size_t length, char ret_digits[HASH_128_SIZE]);
