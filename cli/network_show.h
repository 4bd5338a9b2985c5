/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport network show and list: one network as it is now, and all of them. */
#pragma once

#include "base/error.h"

enum network_format {
    NETWORK_TEXT,
    NETWORK_JSON,
    NETWORK_DOT,
};

/* Problems that are shown are no error; a network that is not up is. */
int network_show(const char *network, enum network_format format, struct error *err);

/* Networks that are up, and those that have a policy file, by name. */
int network_list(enum network_format format, struct error *err);
