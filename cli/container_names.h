/* SPDX-License-Identifier: Apache-2.0
 *
 * The names that engines gave their containers, for people: dockerd is asked, and what Podman and CRI-O keep
 * in containers/storage is read. For a container of runc or crun alone the id is its name.
 *
 * Invariants. A name comes from an engine, never from a container, and has only the characters that engines
 * allow: letters, digits, `_`, `.` and `-`. What an image says in its labels, which engines tell as well,
 * takes no other's name away. Nothing here is needed: what does not answer within a second, or not as
 * expected, is as if it knew no names. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
    CONTAINER_ID_LENGTH = 64,   /* of both engines: hexadecimal digits */
    CONTAINER_NAME_SIZE = 256,  /* a longer one is left out */
    CONTAINER_NAMES_MAX = 8192, /* of one engine; what comes after them is left out */
};

struct container_name {
    char id[CONTAINER_ID_LENGTH + 1];
    char name[CONTAINER_NAME_SIZE];
};

struct container_names {
    struct container_name *list;
    size_t count;
};

void container_names_free_at(struct container_names *names);
#define cleanup_container_names __attribute__((cleanup(container_names_free_at)))

/* Whether the id is one that an engine makes; to no other is there a name. */
bool container_names_id(const char *id);

/* Asks every engine there is, a second at most in all. Adds to `names`. */
void container_names_read(struct container_names *names);

/* The container's name, NULL if it is not known. Borrowed. */
const char *container_names_find(const struct container_names *names, const char *id);

/* Adds what the JSON text has, in order of the ids: a list of objects with an id and a list of names, of
 * which the first is taken that is one. What is not so is left out. `text` is changed where it has U+0000. */
void container_names_parse(char *text, size_t length, const char *id_key, const char *names_key,
                           struct container_names *names);
