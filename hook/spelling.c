/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/spelling.h"

#include "base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Every key that is read or written somewhere in this program, and those beside them that loosen a container.
 */
static const char *const KEYS[] = {
    "access",
    "action",
    "allow",
    "ambient",
    "annotations",
    "architectures",
    "args",
    "bounding",
    "capabilities",
    "cgroupsPath",
    "containerID",
    "createContainer",
    "createRuntime",
    "defaultAction",
    "defaultErrnoRet",
    "destination",
    "devices",
    "effective",
    "env",
    "errnoRet",
    "flags",
    "gidMappings",
    "hooks",
    "hostID",
    "hostname",
    "index",
    "inheritable",
    "linux",
    "listenerMetadata",
    "listenerPath",
    "major",
    "maskedPaths",
    "minor",
    "mounts",
    "names",
    "namespaces",
    "netDevices",
    "op",
    "options",
    "path",
    "permitted",
    "poststart",
    "poststop",
    "prestart",
    "process",
    "readonlyPaths",
    "resources",
    "root",
    "seccomp",
    "size",
    "source",
    "startContainer",
    "sysctl",
    "syscalls",
    "type",
    "uidMappings",
    "value",
    "valueTwo",
};

/* The next character of the key as Go folds it: ASCII in lower case, U+017F as s, U+212A as k. */
static unsigned char fold(const char **key)
{
    unsigned char c = (unsigned char)**key;

    if (c >= 0x80 && strncmp(*key, "\xc5\xbf", 2) == 0) {
        *key += 2;
        return 's';
    }
    if (c >= 0x80 && strncmp(*key, "\xe2\x84\xaa", 3) == 0) {
        *key += 3;
        return 'k';
    }
    if (c != '\0')
        ++*key;
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

static bool folds_to_same(const char *a, const char *b)
{
    for (;;) {
        unsigned char left = fold(&a);

        if (left != fold(&b))
            return false;
        if (left == '\0')
            return true;
    }
}

/* Whether the first characters rule it out: a config has a thousand keys, and an attach must not pay for
 * them. Every key above begins with a small letter. */
static bool differs_at_once(const char *key, const char *known)
{
    return (unsigned char)key[0] < 0x80 && (key[0] | 0x20) != known[0];
}

static int check_key(const char *key, struct error *err)
{
    for (size_t i = 0; i < array_size(KEYS); i++) {
        if (differs_at_once(key, KEYS[i]) || !folds_to_same(key, KEYS[i]))
            continue;
        if (strcmp(key, KEYS[i]) == 0)
            return 0;
        error_set(err, 0, "config.json: the key `%s` is another spelling of `%s`", key, KEYS[i]);
        return error_advise(err, "write it as the runtime-spec does");
    }
    return 0;
}

static int check_value(json_t *value, struct error *err)
{
    int result = 0;

    for (size_t i = 0; i < json_array_size(value) && result == 0; i++)
        result = check_value(json_array_get(value, i), err);
    for (void *at = json_object_iter(value); at != NULL && result == 0;
         at = json_object_iter_next(value, at)) {
        const char *key = json_object_iter_key(at);

        result = check_key(key, err);
        if (result == 0 && strcmp(key, "annotations") != 0)
            result = check_value(json_object_iter_value(at), err);
    }
    return result;
}

int spelling_check(const json_t *config, struct error *err)
{
    return check_value((json_t *)(uintptr_t)config, err);
}
