/* SPDX-License-Identifier: Apache-2.0
 *
 * The small languages inside the policy's strings: numbers, addresses, host names, paths.
 *
 * Invariant: one way to write each thing. Whatever two programs might read differently (leading zeros, signs,
 * octal, "10.1" for 10.0.0.1, host bits, a trailing dot) is refused here, so that nobody behind has to guess.
 *
 * Every function returns NULL, or the reason for which it refuses: static text, made to follow the quoted
 * input in a message. Output parameters are untouched then. */
#pragma once

#include "policy/policy.h"

/* A TCP port, 1 to 65535, in decimal. */
const char *text_port(const char *text, uint16_t *ret);

/* A dotted quad of `length` characters. */
const char *text_address(const char *text, size_t length, uint32_t *ret);

/* "ADDRESS/PREFIX" without host bits, or, as *ret_prefix 32, "ADDRESS". */
const char *text_range(const char *text, struct policy_range *ret, unsigned *ret_prefix);

/* "NAME", "NAME:PORT", either with a leading dot. The name is lower-cased, because squid and the resolver do
 * so too; it can be nothing that getaddrinfo(3) would read as an address. */
const char *text_host(const char *text, struct policy_host *ret);

/* "HOST_ADDRESS:HOST_PORT:MEMBER_PORT". */
const char *text_publish(const char *text, struct policy_publish *ret);

/* An absolute path without empty, "." or ".." components and without control characters. */
const char *text_path(const char *text);
