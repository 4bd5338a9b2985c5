/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport seccomp-profile: a complete OCI seccomp profile, for engines that take one by option. */
#include "base/cleanup.h"
#include "cli/verb.h"
#include "hook/document.h"
#include "seccomp/seccomp.h"

#include <getopt.h>
#include <stdio.h>

static const char USAGE[] =
    "Usage: sallyport seccomp-profile [--nested] [--i386]\n"
    "\n"
    "Prints a seccomp profile for `docker run --security-opt seccomp=FILE` and its like.\n"
    "\n"
    "  --nested  allow new user and network namespaces (Chromium, bubblewrap)\n"
    "  --i386    allow 32-bit x86 programs\n";

int verb_seccomp_profile(int argc, char **argv, struct error *err)
{
    static const struct option long_options[] = {
        {"nested", no_argument, NULL, 'n'},
        {"i386", no_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct seccomp_options options = {false, false};
    cleanup_json json_t *profile = NULL;
    cleanup_free char *text = NULL;
    size_t length = 0;
    int option = 0;
    int result = 0;

    while ((option = verb_option(argc, argv, long_options)) != -1) {
        if (option == 'h')
            return fputs(USAGE, stdout), 0;
        if (option == '?')
            return VERB_USAGE;
        *(option == 'n' ? &options.nested : &options.i386) = true;
    }
    if (optind < argc)
        return verb_usage("seccomp-profile", "unexpected argument `%s`", argv[optind]);
    result = seccomp_profile(&options, &profile, err);
    if (result == 0)
        result = document_dump(profile, &text, &length, err);
    if (result < 0)
        return result;
    fputs(text, stdout);
    return verb_flush_output(err);
}
