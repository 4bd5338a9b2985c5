/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel tells of links: one is found by its altname and by nothing else, and messages that are cut
 * or lie about their length are read no further than they go. Each is put at the end of a page with nothing
 * behind it. */
#include "netns/link_watch.h"
#include "base/cleanup.h"

#include <criterion/criterion.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

static uint8_t *page; /* what is behind it cannot be read */

static void setup(void)
{
    page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    cr_assert_eq(mprotect(page + PAGE, PAGE, PROT_NONE), 0);
}

TestSuite(link_watch, .init = setup);

/* Two links, the second with an altname. Returns the size. */
static size_t make(uint8_t *ret, uint16_t type, const char *altname)
{
    const struct ifinfomsg first = {.ifi_index = 6};
    const struct ifinfomsg second = {.ifi_index = 7};
    struct nl_msg *one = nlmsg_alloc_simple(type, 0);
    struct nl_msg *two = nlmsg_alloc_simple(type, 0);
    struct nlattr *list = NULL;
    size_t size = 0;

    nlmsg_append(one, (void *)(uintptr_t)&first, sizeof(first), NLMSG_ALIGNTO);
    nla_put_string(one, IFLA_IFNAME, "c-abc"); /* a name is no altname */
    nlmsg_append(two, (void *)(uintptr_t)&second, sizeof(second), NLMSG_ALIGNTO);
    nla_put_string(two, IFLA_IFNAME, "sp0ad10040");
    list = nla_nest_start(two, IFLA_PROP_LIST);
    nla_put_string(two, IFLA_ALT_IFNAME, altname);
    nla_nest_end(two, list);
    memcpy(ret, nlmsg_hdr(one), nlmsg_hdr(one)->nlmsg_len);
    size = NLMSG_ALIGN(nlmsg_hdr(one)->nlmsg_len);
    memcpy(ret + size, nlmsg_hdr(two), nlmsg_hdr(two)->nlmsg_len);
    size += nlmsg_hdr(two)->nlmsg_len;
    nlmsg_free(one);
    nlmsg_free(two);
    return size;
}

static bool find(const uint8_t *told, size_t size, struct link *ret)
{
    /* Netlink's messages are aligned. */
    uint8_t *start = page + PAGE - NLMSG_ALIGN(size);

    memcpy(start, told, size);
    return link_watch_parse(start, size, "c-abc", ret);
}

Test(link_watch, a_link_is_found_by_its_altname_alone)
{
    _Alignas(struct nlmsghdr) uint8_t told[PAGE] = {0};
    struct link link = {.index = 0};

    cr_assert(find(told, make(told, RTM_NEWLINK, "c-abc"), &link));
    cr_assert_eq(link.index, 7);
    cr_assert_str_eq(link.name, "sp0ad10040");
    link.index = 0;
    cr_assert_not(find(told, make(told, RTM_NEWLINK, "c-abcd"), &link));
    cr_assert_not(find(told, make(told, RTM_DELLINK, "c-abc"), &link));
    cr_assert_eq(link.index, 0);
}

Test(link_watch, what_is_cut_or_lies_is_read_no_further)
{
    _Alignas(struct nlmsghdr) uint8_t told[PAGE] = {0};
    size_t size = make(told, RTM_NEWLINK, "c-abc");
    struct link link = {.index = 0};

    for (size_t length = 0; length < size; length++)
        cr_assert_not(find(told, length, &link), "%zu bytes", length);
    for (size_t at = 0; at < size; at++) { /* every length, of messages and attributes, among other things */
        uint8_t was = told[at];

        for (unsigned value = 0; value < 256; value += 15) {
            told[at] = (uint8_t)value;
            find(told, size, &link);
        }
        told[at] = was;
    }
    cr_assert(find(told, size, &link));
}
