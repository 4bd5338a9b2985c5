/* SPDX-License-Identifier: Apache-2.0 */
#include "netns/hash.h"

#include <inttypes.h>
#include <stdio.h>

__extension__ typedef unsigned __int128 u128;

#define OFFSET_64 UINT64_C(0xcbf29ce484222325)
#define PRIME_64 UINT64_C(0x100000001b3)
#define OFFSET_128 ((u128)UINT64_C(0x6c62272e07bb0142) << 64 | UINT64_C(0x62b821756295c58d))
#define PRIME_128 ((u128)1 << 88 | 0x13b)

uint64_t hash_64(const char *text, size_t length)
{
    uint64_t hash = OFFSET_64;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * PRIME_64;
    return hash;
}

void hash_128(const char *text, size_t length, char ret_digits[HASH_128_SIZE])
{
    u128 hash = OFFSET_128;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * PRIME_128;
    snprintf(ret_digits, HASH_128_SIZE, "%016" PRIx64 "%016" PRIx64, (uint64_t)(hash >> 64), (uint64_t)hash);
}
