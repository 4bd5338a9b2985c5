/* SPDX-License-Identifier: Apache-2.0
 *
 * The first message of a TLS connection, as far as any server answers it: to name a host (SNI) inside a
 * tunnel that was asked for another one. Nothing is decrypted. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { CLIENT_HELLO_MAX = 512, CLIENT_HELLO_NAME_MAX = 255 };

/* A ClientHello of TLS 1.2 (RFC 5246, 7.4.1.2) with `host` for its server name (RFC 6066, 3), at most
 * CLIENT_HELLO_NAME_MAX bytes of it; "": without one. Returns the length. */
size_t client_hello_write(const char *host, uint8_t ret[CLIENT_HELLO_MAX]);
