/* SPDX-License-Identifier: Apache-2.0
 *
 * What every target has in common: the function that libFuzzer calls, and how it is told of a finding. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program with the promise that was broken. */
#define require(promise)                                                                 \
    do {                                                                                 \
        if (!(promise)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #promise); \
            abort();                                                                     \
        }                                                                                \
    } while (0)
