/* SPDX-License-Identifier: Apache-2.0
 *
 * sallyport check: whether this host can seal containers, before one is started. What can be tried is tried,
 * and not guessed from a configuration; what was made for it is gone when the check ends. */
#include "cli/check.h"

#include "base/cleanup.h"
#include "cli/verb.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char USAGE[] =
    "Usage: sallyport check [--json]\n"
    "\n"
    "Tells whether this host can seal containers: what the kernel has to be able to do, who may replace\n"
    "programs and policies, the networks, the engines' configuration, the proxies, and whether the host's\n"
    "firewall lets members through to the proxy. What can be tried is tried, in namespaces that end with\n"
    "the check; of a network that is not up, the uplink is made for that moment. Changes nothing.\n"
    "\n"
    "A line begins with ok, - (worth knowing), ! (will not work, if you need it) or FAILED, and says what\n"
    "to do where it is not ok.\n"
    "\n"
    "  --json  the lines as a list of objects: group, level (ok, note, warning, failed), what, text\n"
    "\n"
    "Exit status: 0 if no line says FAILED, 2 if one does, 1 if the host could not be checked.\n";

static const struct {
    const char *name; /* in JSON */
    const char *mark; /* for people */
} levels[] = {
    [CHECK_OK] = {"ok", "ok"},
    [CHECK_NOTE] = {"note", "-"},
    [CHECK_WARNING] = {"warning", "!"},
    [CHECK_FAILED] = {"failed", "FAILED"},
};

struct sockaddr_in check_address(uint32_t address, uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(address), .sin_port = htons(port)};
}

void check_add(struct checks *checks, enum check_level level, const char *what, const char *text)
{
    json_t *line = json_pack("{s:s, s:s, s:s, s:s}", "group", checks->group, "level", levels[level].name,
                             "what", what, "text", text);

    if (line == NULL || json_array_append_new(checks->list, line) < 0)
        abort();
    checks->failed |= level == CHECK_FAILED;
}

void check_add_result(struct checks *checks, enum check_level level, const char *what, int result,
                      const struct error *err)
{
    check_add(checks, result < 0 ? level : CHECK_OK, what, result < 0 ? err->text : "");
}

void check_networks_free_at(struct check_networks *networks)
{
    for (size_t i = 0; i < networks->count; i++)
        policy_free(&networks->list[i].policy);
    free(networks->list);
}

static const char *mark_of(const char *level)
{
    size_t i = 0;

    while (i < array_size(levels) - 1 && strcmp(levels[i].name, level) != 0)
        i++;
    return levels[i].mark;
}

static void print_text(const struct checks *checks)
{
    const char *group = "";
    size_t i = 0;
    json_t *line = NULL;

    json_array_foreach(checks->list, i, line)
    {
        const char *text = json_string_value(json_object_get(line, "text"));
        const char *own = json_string_value(json_object_get(line, "group"));

        if (strcmp(group, own) != 0)
            printf("%s%s\n", i == 0 ? "" : "\n", own);
        group = own;
        printf("  %-7s %s%s%s\n", mark_of(json_string_value(json_object_get(line, "level"))),
               json_string_value(json_object_get(line, "what")), text[0] != '\0' ? ": " : "", text);
    }
}

static void check_all(struct checks *checks)
{
    cleanup_networks struct check_networks networks = {.list = NULL};

    checks->group = "kernel";
    check_kernel(checks);
    checks->group = "host";
    check_host(checks);
    checks->group = "networks";
    check_policies(checks, &networks);
    checks->group = "engines";
    check_engines(checks, &networks);
    checks->group = "proxy";
    for (size_t i = 0; i < networks.count; i++)
        check_proxy(checks, &networks.list[i]);
    checks->group = "firewall";
    for (size_t i = 0; i < networks.count; i++)
        check_uplink(checks, &networks.list[i]);
}

static int check(bool json, struct error *err)
{
    cleanup_json json_t *list = json_array();
    struct checks checks = {.list = list};
    int result = 0;

    check_all(&checks);
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

    while ((option = verb_option(argc, argv, options)) != -1) {
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
