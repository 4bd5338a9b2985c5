/* SPDX-License-Identifier: Apache-2.0
 *
 * The container state that a runtime gives its hooks on standard input (runtime-spec, "State"). */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <sys/types.h>

enum { STATE_SIZE_MAX = 1024 * 1024 };

enum state_stage {               /* what the runtime asks for, by `status` */
                   STATE_ATTACH, /* creating or created: runc and crun (and versions of them) differ, fact 29
                                  */
                   STATE_STOPPED,
};

struct state {
    const char *id;
    const char *bundle;        /* absolute path */
    const json_t *annotations; /* may be NULL */
    enum state_stage stage;
    pid_t pid; /* in the namespace of the hook; 0 when stopped */
};

/* Reads a state from the document, whose strings it borrows. Anything missing or of a wrong type is an error.
 */
int state_read(const json_t *document, struct state *ret, struct error *err);
