/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/client_hello.h"

#include <string.h>

/* Everything of TLS that is long says how long it is, before it: the place is kept, and filled in at the end.
 */
struct writer {
    uint8_t *bytes;
    size_t length;
};

static void put(struct writer *writer, const void *bytes, size_t length)
{
    memcpy(writer->bytes + writer->length, bytes, length);
    writer->length += length;
}

static size_t begin(struct writer *writer, size_t width)
{
    size_t at = writer->length;

    memset(writer->bytes + at, 0, width);
    writer->length += width;
    return at;
}

static void end(struct writer *writer, size_t at, size_t width)
{
    size_t length = writer->length - at - width;

    for (size_t i = 0; i < width; i++)
        writer->bytes[at + i] = (uint8_t)(length >> 8 * (width - 1 - i));
}

static void put_server_name(struct writer *writer, const char *host)
{
    static const uint8_t SERVER_NAME[] = {0, 0};
    static const uint8_t HOST_NAME[] = {0};
    size_t extension = 0;
    size_t list = 0;
    size_t name = 0;

    put(writer, SERVER_NAME, sizeof(SERVER_NAME));
    extension = begin(writer, 2);
    list = begin(writer, 2);
    put(writer, HOST_NAME, sizeof(HOST_NAME));
    name = begin(writer, 2);
    put(writer, host, strnlen(host, CLIENT_HELLO_NAME_MAX));
    end(writer, name, 2);
    end(writer, list, 2);
    end(writer, extension, 2);
}

static void put_extensions(struct writer *writer, const char *host)
{
    static const uint8_t OTHERS[] = {
        0, 10, 0, 6, 0, 4, 0,    29, 0,    23,               /* groups: x25519, secp256r1 */
        0, 11, 0, 2, 1, 0,                                   /* points: uncompressed */
        0, 13, 0, 8, 0, 6, 0x04, 3,  0x08, 0x04, 0x04, 0x01, /* ECDSA, RSA-PSS, RSA; SHA-256 */
    };
    size_t extensions = begin(writer, 2);

    if (host[0] != '\0')
        put_server_name(writer, host);
    put(writer, OTHERS, sizeof(OTHERS));
    end(writer, extensions, 2);
}

size_t client_hello_write(const char *host, uint8_t ret[CLIENT_HELLO_MAX])
{
    static const uint8_t RECORD[] = {22, 3, 1}; /* handshake */
    static const uint8_t HELLO[] = {1};
    static const uint8_t VERSION[] = {3, 3};
    static const uint8_t RANDOM[32] = "sallyport-probe: not a secret...";
    static const uint8_t REST[] = {
        0,                                                    /* no session */
        0, 8, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, /* ECDHE with ECDSA or RSA, AES-GCM */
        1, 0,                                                 /* no compression */
    };
    struct writer writer = {.bytes = ret};
    size_t record = 0;
    size_t hello = 0;

    put(&writer, RECORD, sizeof(RECORD));
    record = begin(&writer, 2);
    put(&writer, HELLO, sizeof(HELLO));
    hello = begin(&writer, 3);
    put(&writer, VERSION, sizeof(VERSION));
    put(&writer, RANDOM, sizeof(RANDOM));
    put(&writer, REST, sizeof(REST));
    put_extensions(&writer, host);
    end(&writer, hello, 3);
    end(&writer, record, 2);
    return writer.length;
}
