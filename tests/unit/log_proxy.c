/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a log is shown, and what is only counted. */
#include "cli/log_proxy.h"

#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static char path[] = "/tmp/sallyport-proxy-XXXXXX";
static FILE *file;
static unsigned shown[256]; /* by the last byte of the source */

static void setup(void)
{
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    file = fdopen(fd, "w");
    cr_assert_not_null(file);
}

static void teardown(void)
{
    fclose(file);
    unlink(path);
}

TestSuite(log_proxy, .init = setup, .fini = teardown);

static void request(const char *result, unsigned source, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        fprintf(file, "1.000 0 10.9.0.%u %s 0 HIER_NONE/- %s CONNECT a.example:443\n", source, result,
                strncmp(result, "TCP_DENIED", 10) == 0 ? "hosts" : "-");
}

static void count(const struct squid_log_line *line, void *data)
{
    cr_assert_eq(data, shown);
    shown[line->client & 0xff]++;
}

static void read_all(struct log_proxy *proxy, uint64_t more, uint64_t unreadable)
{
    uint64_t got_more = 0;
    uint64_t got_unreadable = 0;

    fflush(file);
    memset(shown, 0, sizeof(shown));
    while (log_proxy_read(proxy))
        ;
    log_proxy_settle(proxy, &got_more, &got_unreadable);
    cr_expect_eq(got_more, more, "%ju", (uintmax_t)got_more);
    cr_expect_eq(got_unreadable, unreadable);
}

Test(log_proxy, one_that_floods_does_not_hide_another)
{
    struct log_proxy proxy;

    log_proxy_open(path, false, true, count, shown, &proxy);
    request("TCP_DENIED/403", 1, 300);
    request("TCP_TUNNEL/200", 2, 10);
    request("TCP_DENIED/403", 3, 1);
    fputs("garbage\n", file);
    read_all(&proxy, 250, 1);
    cr_expect(shown[1] == 50 && shown[2] == 0 && shown[3] == 1);
    /* The next interval begins anew. */
    request("TCP_DENIED/403", 1, 7);
    read_all(&proxy, 0, 0);
    cr_expect_eq(shown[1], 7);
    log_proxy_close(&proxy);
}

Test(log_proxy, many_that_flood_have_a_limit_together)
{
    struct log_proxy proxy;
    unsigned sum = 0;

    log_proxy_open(path, false, true, count, shown, &proxy);
    for (unsigned source = 0; source < 256; source++)
        request("TCP_DENIED/403", source, 3);
    read_all(&proxy, 256 * 3 - 500, 0);
    for (unsigned source = 0; source < 256; source++)
        sum += shown[source];
    cr_expect_eq(sum, 500);
    log_proxy_close(&proxy);
}

Test(log_proxy, without_limit_all_are_shown)
{
    struct log_proxy proxy;

    log_proxy_open(path, true, false, count, shown, &proxy);
    request("TCP_DENIED/403", 9, 3000);
    read_all(&proxy, 0, 0);
    cr_expect_eq(shown[9], 3000);
    log_proxy_close(&proxy);
}

Test(log_proxy, where_there_is_none_nothing_is_read)
{
    struct log_proxy proxy;

    log_proxy_open("", true, true, count, shown, &proxy);
    read_all(&proxy, 0, 0);
    cr_expect_eq(log_proxy_descriptor(&proxy), -1);
    cr_expect(!log_proxy_is_file(&proxy));
    log_proxy_close(&proxy);
}
