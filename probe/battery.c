/* SPDX-License-Identifier: Apache-2.0
 *
 * probe battery: targets from the command line, the groups in their order, the child of each attempt and the
 * line it leaves. */
#include "probe/battery.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT = 1 }; /* second */

static const struct group {
    const char *name;
    void (*run)(struct battery *battery);
} GROUPS[] = {
#define GROUP(name) {#name, battery_##name},
    BATTERY_GROUPS(GROUP)
#undef GROUP
};

static const char *const SEEN_NAMES[] = {"closed", "open", "impossible", "failed", "either"};

/* The answers of attempts. */

void answer_say(struct answer *ret, enum seen saw, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    ret->saw = saw;
    vsnprintf(ret->detail, sizeof(ret->detail), format, list);
    va_end(list);
}

void answer_keep_best(struct answer *best, const struct answer *seen)
{
    static const unsigned RANKS[] = {
        [SEEN_IMPOSSIBLE] = 0, [SEEN_CLOSED] = 1, [SEEN_FAILED] = 2, [SEEN_OPEN] = 3};

    if (RANKS[seen->saw] >= RANKS[best->saw])
        *best = *seen;
}

void answer_error(struct answer *ret, int error)
{
    const char *name = strerrorname_np(error);

    if (error == 0)
        answer_say(ret, SEEN_OPEN, "the kernel allowed it");
    else if (error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT)
        answer_say(ret, SEEN_IMPOSSIBLE, "%s: the kernel has no such protocol", name);
    else if (error == ENOTSUP)
        answer_say(ret, SEEN_IMPOSSIBLE, "the kernel was built without it");
    else if (error == ENOPROTOOPT)
        answer_say(ret, SEEN_IMPOSSIBLE, "%s: the kernel cannot do that", name);
    else if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS || error == EAGAIN)
        answer_say(ret, SEEN_FAILED, "%s: no room for it", name);
    else
        answer_say(ret, SEEN_CLOSED, "%s", name != NULL ? name : "unknown error");
}

void answer_connect_error(struct answer *ret, int error)
{
    if (error == ETIMEDOUT)
        answer_say(ret, SEEN_OPEN, "sent, and nobody refused it");
    else
        answer_error(ret, error);
}

void battery_run_call(const struct battery *battery, const void *data, struct answer *ret)
{
    const struct call *call = data;
    (void)battery;

    answer_error(ret, call->function((void *)(uintptr_t)call->data));
}

/* Lines. */

static void print_text(const char *key, const char *text)
{
    printf("\"%s\":\"", key);
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (*at == '"' || *at == '\\')
            printf("\\%c", *at);
        else if (*at < ' ' || *at > '~')
            printf("\\u%04x", *at);
        else
            putchar(*at);
    fputs("\",", stdout);
}

static void print_line(const struct battery *battery, const struct attempt *attempt, double milliseconds)
{
    putchar('{');
    print_text("group", battery->group);
    print_text("name", attempt->name);
    print_text("tried", attempt->tried);
    print_text("expect", SEEN_NAMES[attempt->expect]);
    print_text("saw", SEEN_NAMES[battery->said->saw]);
    print_text("detail", battery->said->detail);
    printf("\"ms\":%.3f}\n", milliseconds);
    fflush(stdout);
}

static const char *marker_of(const struct battery *battery, unsigned number)
{
    static char text[BATTERY_TEXT_MAX];

    snprintf(text, sizeof(text), "%s-%03u", battery->marker.count > 0 ? battery->marker.values[0] : "battery",
             number);
    return text;
}

const char *battery_marker(const struct battery *battery)
{
    return marker_of(battery, battery->number);
}

const char *battery_next_marker(const struct battery *battery)
{
    return marker_of(battery, battery->number + 1);
}

/* Attempts. */

static void attempt_child(const struct battery *battery, const struct attempt *attempt)
{
    struct itimerval limit = {.it_value.tv_sec = attempt->limit > 0 ? attempt->limit : LIMIT};

    signal(SIGALRM, SIG_DFL);
    setitimer(ITIMER_REAL, &limit, NULL);
    attempt->run(battery, attempt->data, battery->said);
    _exit(0);
}

/* A filter kills by SIGSYS. Whoever is killed otherwise has not been refused. */
static void judge_end(struct answer *said, int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        answer_say(said, SEEN_CLOSED, "killed by SIGSYS");
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        answer_say(said, SEEN_FAILED, "did not come to an end within the time limit");
    else if (WIFSIGNALED(status))
        answer_say(said, SEEN_FAILED, "killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        answer_say(said, SEEN_FAILED, "the attempt ended with status %d", WEXITSTATUS(status));
}

void battery_try(struct battery *battery, const struct attempt *attempt)
{
    struct timespec begun = attempt_begin();
    int status = 0;
    pid_t child = 0;

    battery->number++;
    answer_say(battery->said, SEEN_FAILED, "the attempt said nothing");
    child = fork();
    if (child == 0)
        attempt_child(battery, attempt);
    if (child < 0)
        answer_say(battery->said, SEEN_FAILED, "fork: %s", strerrorname_np(errno));
    else if (TEMP_FAILURE_RETRY(waitpid(child, &status, 0)) == child)
        judge_end(battery->said, status);
    print_line(battery, attempt, attempt_milliseconds(&begun));
}

void battery_impossible(struct battery *battery, const char *name, const char *tried, const char *why)
{
    const struct attempt attempt = {.name = name, .tried = tried, .expect = SEEN_CLOSED};

    battery->number++;
    answer_say(battery->said, SEEN_IMPOSSIBLE, "%s", why);
    print_line(battery, &attempt, 0);
}

/* The command line. */

uint16_t battery_split(const char *text, char *ret_host, size_t size)
{
    const char *colon = strrchr(text, ':');
    size_t length = colon != NULL ? (size_t)(colon - text) : 0;
    uint64_t port = colon != NULL ? parse_number(colon + 1) : 0;

    if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    if (length == 0 || length >= size || port == 0 || port > UINT16_MAX)
        usage("`%s` is not HOST:PORT", text);
    memcpy(ret_host, text, length);
    ret_host[length] = '\0';
    return (uint16_t)port;
}

static void check_address(const char *text)
{
    union endpoint endpoint;

    parse_endpoint(text, "1", &endpoint);
}

static void check_port(const char *text)
{
    char host[BATTERY_TEXT_MAX];

    battery_split(text, host, sizeof(host));
}

static void check_endpoint(const char *text)
{
    char host[BATTERY_TEXT_MAX];

    battery_split(text, host, sizeof(host));
    check_address(host);
}

static void check_link(const char *text)
{
    if (text[0] == '\0' || strlen(text) >= IFNAMSIZ)
        usage("`%s` is not the name of a link", text);
}

static void check_yes(const char *text)
{
    if (strcmp(text, "yes") != 0)
        usage("`%s` is not yes", text);
}

static void check_marker(const char *text)
{
    if (strlen(text) > 40 ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != strlen(text))
        usage("marker `%s`: at most 40 letters, digits and -", text);
}

static void check_subnet(const char *text)
{
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');

    if (slash == NULL || (size_t)(slash - text) >= sizeof(address) || parse_number(slash + 1) > 128)
        usage("`%s` is not ADDRESS/LENGTH", text);
    snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
    check_address(address);
}

static void append(struct battery_list *list, const char *name, const char *value, bool repeatable)
{
    if (list->count >= (repeatable ? BATTERY_LIST_MAX : 1))
        usage("too many %s", name);
    list->values[list->count++] = value;
}

static void take_key(struct battery *battery, const char *text)
{
    const struct key {
        const char *name;
        struct battery_list *list;
        void (*check)(const char *text);
        bool repeatable;
    } keys[] = {
        {"proxy", &battery->proxy, check_endpoint, false},
        {"sni", &battery->sni, check_endpoint, false},
        {"http", &battery->http, check_endpoint, false},
        {"subnet", &battery->subnet, check_subnet, false},
        {"uplink", &battery->uplink, check_address, false},
        {"host", &battery->host, check_address, true},
        {"far", &battery->far, check_address, true},
        {"open", &battery->open, check_endpoint, true},
        {"closed", &battery->closed, check_endpoint, true},
        {"allowed", &battery->allowed, check_port, false},
        {"direct", &battery->direct, check_port, false},
        {"denied", &battery->denied, check_port, false},
        {"direct-other", &battery->direct_other, check_port, false},
        {"inward", &battery->inward, check_port, false},
        {"other", &battery->other, check_port, false},
        {"nested", &battery->nested, check_yes, false},
        {"listener", &battery->listener, check_endpoint, true},
        {"marker", &battery->marker, check_marker, false},
        {"link", &battery->own_link, check_link, false},
    };
    size_t length = strcspn(text, "=");

    for (size_t i = 0; i < array_size(keys); i++)
        if (text[length] == '=' && strlen(keys[i].name) == length &&
            strncmp(text, keys[i].name, length) == 0) {
            keys[i].check(text + length + 1);
            append(keys[i].list, keys[i].name, text + length + 1, keys[i].repeatable);
            return;
        }
    usage("no key `%s`", text);
}

static void take_only(struct battery *battery, struct arguments *arguments)
{
    const char *name = NULL;

    while ((name = arguments_take(arguments, "--only", NULL)) != NULL) {
        bool known = false;

        for (size_t i = 0; i < array_size(GROUPS); i++)
            known = known || strcmp(GROUPS[i].name, name) == 0;
        if (!known)
            usage("no group `%s`", name);
        append(&battery->only, "--only", name, true);
    }
}

static bool wanted(const struct battery *battery, const char *group)
{
    for (unsigned i = 0; i < battery->only.count; i++)
        if (strcmp(battery->only.values[i], group) == 0)
            return true;
    return battery->only.count == 0;
}

/* The name lives as long as the program. */
static const char *first_link(void)
{
    struct ifaddrs *all = NULL;
    const char *name = NULL;

    if (getifaddrs(&all) < 0)
        return NULL;
    for (const struct ifaddrs *at = all; at != NULL && name == NULL; at = at->ifa_next)
        if ((at->ifa_flags & IFF_UP) != 0 && (at->ifa_flags & IFF_LOOPBACK) == 0)
            name = strdup(at->ifa_name);
    freeifaddrs(all);
    return name;
}

int probe_battery(struct arguments *arguments)
{
    struct battery battery = {0};

    take_only(&battery, arguments);
    arguments_operands(arguments, arguments->count);
    for (int i = 0; i < arguments->count; i++)
        take_key(&battery, arguments->values[i]);
    battery.link = first_link();
    battery.said =
        mmap(NULL, sizeof(*battery.said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (battery.said == MAP_FAILED)
        usage("no memory to share: %s", strerror(errno));
    for (size_t i = 0; i < array_size(GROUPS); i++)
        if (wanted(&battery, GROUPS[i].name)) {
            battery.group = GROUPS[i].name;
            GROUPS[i].run(&battery);
        }
    printf("{\"attempts\":%u}\n", battery.number);
    return PROBE_OK;
}
