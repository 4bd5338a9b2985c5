/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_image.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum {
    BLOCK = 512, /* bytes: an archive is made of these, and ends with two that are zero */
    PROBE_MAX = 64 * 1024 * 1024,
};

/* pax(1), "ustar Interchange Format": numbers are octal text. */
struct header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6];
    char version[2];
    char rest[247];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

static void make_header(struct header *header, size_t size)
{
    unsigned sum = 0;

    *header = (struct header){.name = "probe", .type = '0', .magic = "ustar", .version = {'0', '0'}};
    snprintf(header->mode, sizeof(header->mode), "%07o", 0755);
    snprintf(header->uid, sizeof(header->uid), "%07o", 0);
    snprintf(header->gid, sizeof(header->gid), "%07o", 0);
    snprintf(header->size, sizeof(header->size), "%011zo", size);
    snprintf(header->mtime, sizeof(header->mtime), "%011o", 0);
    /* Of all bytes, its own place taken as blanks. */
    memset(header->checksum, ' ', sizeof(header->checksum));
    for (size_t i = 0; i < sizeof(*header); i++)
        sum += ((const unsigned char *)header)[i];
    snprintf(header->checksum, sizeof(header->checksum), "%06o", sum);
}

int verify_image_make(const char *path, struct error *err)
{
    static const char ZERO[3 * BLOCK];
    cleanup_close int fd = memfd_create("sallyport-verify", MFD_CLOEXEC);
    cleanup_free char *text = NULL;
    struct header header;
    size_t length = 0;
    int result = fd < 0 ? error_set(err, errno, "make the container's image")
                        : file_read_at(AT_FDCWD, path, PROBE_MAX, &text, &length, err);

    if (result < 0)
        return result;
    make_header(&header, length);
    result = file_write_all(fd, (const char *)&header, sizeof(header));
    if (result == 0)
        result = file_write_all(fd, text, length);
    if (result == 0)
        result = file_write_all(fd, ZERO, (BLOCK - length % BLOCK) % BLOCK + 2 * (size_t)BLOCK);
    return result < 0 ? error_set(err, -result, "make the container's image") : take_fd(&fd);
}
