/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport check: whether this host can seal containers, before one is started. It changes nothing. */
#include "cli/check.h"

#include "base/cleanup.h"
#include "cli/squid_check.h"
#include "cli/verb.h"
#include "hook/runtime_path.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char USAGE[] =
    "Usage: sallyport check [--json]\n"
    "\n"
    "Tells whether this host can seal containers: what the kernel has to be able to do (tried, in "
    "namespaces\n"
    "that end with it), the policy files, the runtime, squid. Changes nothing. Each line is ok, warning or\n"
    "failed, with what to do.\n"
    "\n"
    "  --json  the lines as a list of objects\n"
    "\n"
    "Exit status: 0 if no line says failed, 2 if one does, 1 if the host could not be checked.\n";

static const char *const level_names[] = {
    [CHECK_OK] = "ok",
    [CHECK_WARNING] = "warning",
    [CHECK_FAILED] = "failed",
};

void check_add(struct checks *checks, enum check_level level, const char *what, const char *text)
{
    json_t *line = json_pack("{s:s, s:s, s:s}", "level", level_names[level], "what", what, "text", text);

    if (line == NULL || json_array_append_new(checks->list, line) < 0)
        abort();
    checks->failed |= level == CHECK_FAILED;
}

void check_add_result(struct checks *checks, enum check_level level, const char *what, int result,
                      const struct error *err)
{
    check_add(checks, result < 0 ? level : CHECK_OK, what, result < 0 ? err->text : "");
}

static void check_runtime(struct checks *checks)
{
    char path[PATH_MAX];
    struct error err = {0};

    check_add_result(checks, CHECK_FAILED, "a runtime behind sallyport-runtime",
                     runtime_path_find(NULL, path, &err), &err);
}

static void check_squid(struct checks *checks)
{
    bool present = squid_present();

    check_add(checks, present ? CHECK_OK : CHECK_WARNING, "squid, for proxies on this host",
              present ? "" : SQUID_PROGRAM " is not there; install squid-openssl, or squid");
}

static void print_text(const struct checks *checks)
{
    size_t i = 0;
    json_t *line = NULL;

    json_array_foreach(checks->list, i, line)
    {
        const char *text = json_string_value(json_object_get(line, "text"));

        printf("%-8s %s%s%s\n", json_string_value(json_object_get(line, "level")),
               json_string_value(json_object_get(line, "what")), text[0] != '\0' ? ": " : "", text);
    }
}

static int check(bool json, struct error *err)
{
    cleanup_json json_t *list = json_array();
    struct checks checks = {.list = list};
    bool proxy_at_host = false;
    int result = 0;

    if (geteuid() != 0) {
        error_set(err, EPERM, "check the host");
        return error_advise(err, "run it as root, as containers are started");
    }
    check_kernel(&checks);
    check_policies(&checks, &proxy_at_host);
    check_runtime(&checks);
    if (proxy_at_host)
        check_squid(&checks);
    if (!json)
        print_text(&checks);
    else if (json_dumpf(list, stdout, JSON_INDENT(2)) == 0)
        putchar('\n');
    result = verb_flush_output(err);
    return result == 0 && checks.failed ? VERB_REFUSED : result;
}

int verb_check(int argc, char **argv, struct error *err)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool json = false;
    int option = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h')
            return fputs(USAGE, stdout), 0;
        if (option == '?')
            return VERB_USAGE;
        json = true;
    }
    if (optind < argc)
        return verb_usage("check", "unexpected argument `%s`", argv[optind]);
    return check(json, err);
}
