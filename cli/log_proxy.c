/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_proxy.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TOLD_ENDED = -1 };

void log_proxy_on_host(const struct policy *policy, struct log_proxy_names *ret)
{
    *ret = (struct log_proxy_names){0};
    snprintf(ret->names[0], sizeof(ret->names[0]), "/var/log/squid/sallyport-%s.access", policy->network);
    if (policy_passes(policy))
        snprintf(ret->names[1], sizeof(ret->names[1]), "/var/log/sallyport/%s.pass-through", policy->network);
}

void log_proxy_open(const char *name, bool from_start, bool limited,
                    void (*each)(const struct squid_log_line *line, void *data), void *data,
                    struct log_proxy *ret)
{
    *ret = (struct log_proxy){
        .tail = {.descriptor = -1}, .name = name, .limited = limited, .each = each, .data = data};
    if (name[0] != '\0')
        log_tail_open(strcmp(name, LOG_PROXY_INPUT) == 0 ? NULL : name, from_start, &ret->tail);
}

void log_proxy_close(struct log_proxy *proxy)
{
    log_tail_close(&proxy->tail);
}

bool log_proxy_is_file(const struct log_proxy *proxy)
{
    return proxy->tail.path != NULL;
}

int log_proxy_descriptor(const struct log_proxy *proxy)
{
    return log_proxy_is_file(proxy) || proxy->tail.ended ? -1 : proxy->tail.descriptor;
}

/* Whether one more of this source is shown. Every source in the table has been shown once, so it has room. */
static bool passes(struct log_proxy *proxy, uint32_t address)
{
    unsigned i = 0;

    if (!proxy->limited)
        return true;
    if (proxy->shown == LOG_PROXY_ALL_MAX)
        return false;
    while (i < proxy->sources_count && proxy->sources[i].address != address)
        i++;
    if (i == proxy->sources_count) {
        proxy->sources[i].address = address;
        proxy->sources[i].shown = 0;
        proxy->sources_count++;
    }
    if (proxy->sources[i].shown == LOG_PROXY_SOURCE_MAX)
        return false;
    proxy->sources[i].shown++;
    proxy->shown++;
    return true;
}

static void read_line(const char *text, size_t length, void *data)
{
    struct log_proxy *proxy = data;
    struct squid_log_line line;

    if (text != NULL && squid_log_is_notice(text, length))
        return;
    if (text == NULL || !squid_log_parse(text, length, &line))
        proxy->unreadable++;
    else if (squid_log_refused(&line) && passes(proxy, line.client))
        proxy->each(&line, proxy->data);
    else if (squid_log_refused(&line))
        proxy->more++;
}

bool log_proxy_read(struct log_proxy *proxy)
{
    return proxy->name[0] != '\0' && log_tail_read(&proxy->tail, read_line, proxy);
}

void log_proxy_settle(struct log_proxy *proxy, uint64_t *ret_more, uint64_t *ret_unreadable)
{
    *ret_more = proxy->more;
    *ret_unreadable = proxy->unreadable;
    proxy->shown = 0;
    proxy->sources_count = 0;
    proxy->more = 0;
    proxy->unreadable = 0;
}

static const char *describe(int problem)
{
    return problem == EINVAL ? "it is not a regular file" : strerror(problem);
}

void log_proxy_complain(struct log_proxy *proxy, const char *network)
{
    const int state = proxy->tail.ended ? TOLD_ENDED : proxy->tail.problem;

    if (state == proxy->told)
        return;
    proxy->told = state;
    if (state == TOLD_ENDED)
        fprintf(stderr, "sallyport: %s: the proxy's log has ended: only what the hub refuses is shown\n",
                network);
    else if (state != 0)
        fprintf(stderr,
                "sallyport: %s: the proxy's log %s cannot be read: %s; what the proxy refuses is not shown "
                "until it can\n",
                network, proxy->name, describe(state));
    else
        fprintf(stderr, "sallyport: %s: the proxy's log %s can be read\n", network, proxy->name);
}
