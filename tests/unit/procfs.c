/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel shows as text: as it is, cut at every byte, with fields too many, too few and too long, and
 * with names that a process chose in order to be taken for something else. */
#include "base/cleanup.h"
#include "base/file.h"
#include "hook/mountinfo.h"
#include "hook/refuse.h"
#include "hook/resolver.h"
#include "hook/status.h"
#include "netns/netstat.h"
#include "netns/tenants.h"
#include "seccomp/remote.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* ---- /proc/PID/mountinfo ---- */

static char directory[] = "/tmp/sallyport-unit-XXXXXX";
static int directory_fd = -1;

static void make_directory(void)
{
    cr_assert_not_null(mkdtemp(directory));
    directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(directory_fd, 0);
}

static void remove_directory(void)
{
    unlinkat(directory_fd, "mountinfo", 0);
    close(directory_fd);
    rmdir(directory);
}

TestSuite(mountinfo, .init = make_directory, .fini = remove_directory);

static int read_mounts(const char *text, size_t size, struct mountinfo *ret)
{
    cleanup_close int fd = openat(directory_fd, "mountinfo", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct error err = {0};
    int result = 0;

    cr_assert_eq(write(fd, text, size), (ssize_t)size);
    *ret = (struct mountinfo){.text = NULL};
    result = mountinfo_read(directory_fd, ret, &err);
    cr_assert(result == 0 || strstr(err.text, "read mountinfo") != NULL, "%s", err.text);
    return result;
}

static const char MOUNTS[] = "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"
                             "1030 25 0:54 /a\\040b /mnt/with\\040space\\011tab\\134n rw master:2 "
                             "propagate_from:1 unbindable - overlay "
                             "over\\040lay rw,lowerdir=/x\\072y\n"
                             "31 25 0:3 net:[4026532281] /run/netns/one\\012two rw - nsfs nsfs rw\n";

Test(mountinfo, is_read)
{
    cleanup_mountinfo struct mountinfo list;

    cr_assert_eq(read_mounts(MOUNTS, strlen(MOUNTS), &list), 0);
    cr_assert_eq(list.count, 3);
    cr_expect(list.entries[0].id == 25 && list.entries[0].parent == 1);
    cr_expect_str_eq(list.entries[0].point, "/");
    cr_expect_str_eq(list.entries[0].options, "rw,errors=remount-ro");
    cr_expect_str_eq(list.entries[1].point, "/mnt/with space\ttab\\n");
    cr_expect_str_eq(list.entries[1].device, "0:54");
    cr_expect_str_eq(list.entries[1].type, "overlay");
    cr_expect_str_eq(list.entries[1].options, "rw,lowerdir=/x:y");
    cr_expect_str_eq(list.entries[2].point, "/run/netns/one\ntwo");
    cr_expect_str_eq(list.entries[2].type, "nsfs");
}

/* Only where a line ends is it the list of the lines so far; no mount is left out silently. */
Test(mountinfo, cut_at_every_byte)
{
    size_t lines = 0;

    for (size_t size = 0; size <= strlen(MOUNTS); size++) {
        struct mountinfo list;
        bool whole = size == 0 || MOUNTS[size - 1] == '\n';

        lines += size > 0 && whole;
        cr_expect_eq(read_mounts(MOUNTS, size, &list) == 0, whole, "%zu", size);
        cr_expect(!whole || list.count == lines, "%zu", size);
        mountinfo_free(&list);
    }
}

Test(mountinfo, lines_of_another_form_are_refused)
{
    static const char *const BAD[] = {
        "\n",
        " \n",
        "1\n",
        "1 2 3 4 5\n",
        "1 2 0:1 / /\n",
        "1 2 0:1 / / rw\n",
        "1 2 0:1 / / rw shared:1 ext4 /dev/x rw\n", /* no dash */
        "1 2 0:1 / / rw -\n",
        "x 2 0:1 / / rw - ext4 x rw\n",
        "1 2x 0:1 / / rw - ext4 x rw\n",
        " 2 0:1 / / rw - ext4 x rw\n",
        "1  0:1 / / rw - ext4 x rw\n",
        "4294967297 2 0:1 / / rw - ext4 x rw\n", /* 1, and something more */
        "99999999999999999999 2 0:1 / / rw - ext4 x rw\n",
        "1 2 0:1 / / rw - ext4 x rw\n1 2 0:1 / / rw - ext4 x",
    };

    for (size_t i = 0; i < array_size(BAD); i++) {
        struct mountinfo list;

        cr_expect_lt(read_mounts(BAD[i], strlen(BAD[i]), &list), 0, "<%s>", BAD[i]);
        mountinfo_free(&list);
    }
}

Test(mountinfo, text_with_a_nul_byte_is_refused)
{
    static const char text[] = "1 2 0:1 / / rw - ext4 x rw\n\0"
                               "3 1 0:2 / /run rw - tmpfs x rw\n";
    struct mountinfo list;

    cr_expect_lt(read_mounts(text, sizeof(text) - 1, &list), 0);
    mountinfo_free(&list);
}

/* Escapes that are none stay as they are; a source or options that are empty are. */
Test(mountinfo, strange_words)
{
    static const char text[] = "1 2 0:1 / /a\\04\\\\9\\400\\ rw - - - \n2 1 0:1 / \\057x rw - a  \n";
    cleanup_mountinfo struct mountinfo list;

    cr_assert_eq(read_mounts(text, strlen(text), &list), 0);
    cr_expect_eq(strncmp(list.entries[0].point, "/a\\04\\\\9", strlen("/a\\04\\\\9")), 0);
    cr_expect_str_eq(list.entries[0].type, "-");
    cr_expect_str_eq(list.entries[0].options, "");
    cr_expect_str_eq(list.entries[1].point, "/x");
    cr_expect_str_eq(list.entries[1].type, "a");
    cr_expect_str_eq(list.entries[1].options, "");
}

/* ---- /proc/PID/status ---- */

static bool read_status(const char *text, size_t size, struct status *ret)
{
    cleanup_file FILE *file = fmemopen((void *)(uintptr_t)text, size, "r");

    cr_assert_not_null(file);
    return status_parse(file, ret);
}

#define STATUS(name, groups, inheritable, ambient, seccomp)                                       \
    "Name:\t" name "\nGroups:\t" groups "\nCapInh:\t" inheritable "\nCapPrm:\t0000000000000000\n" \
    "CapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\nCapAmb:\t" ambient                     \
    "\nNoNewPrivs:\t1\nSeccomp:\t" seccomp "\nSeccomp_filters:\t1\n"

#define NO_CAPABILITIES "0000000000000000"

Test(status, is_read)
{
    static const char quiet[] = "CapInh:\t0\nCapPrm:\t0\nCapEff:\t0\nCapBnd:\t00000000a80405fb\nCapAmb:\t0\n"
                                "NoNewPrivs:\t0\nSeccomp:\t1\n";
    static const char text[] = STATUS("sh", "", NO_CAPABILITIES, NO_CAPABILITIES, "2");
    struct status status;

    cr_assert(read_status(text, strlen(text), &status));
    cr_expect(status.network_capabilities, "CAP_NET_RAW in the bounding set");
    cr_expect(status.no_new_privileges && status.filtered);
    cr_assert(read_status(quiet, strlen(quiet), &status));
    cr_expect(!status.network_capabilities && !status.no_new_privileges && !status.filtered);
}

Test(status, a_capability_counts_in_every_set)
{
    static const char *const sets[] = {"Inh", "Prm", "Eff", "Bnd", "Amb"};

    for (size_t one = 0; one < array_size(sets); one++)
        for (unsigned capability = 0; capability < 64; capability++) {
            char text[512] = "NoNewPrivs:\t1\nSeccomp:\t0\n";
            struct status status;

            for (size_t i = 0; i < array_size(sets); i++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "Cap%s:\t%016llx\n", sets[i],
                         i == one ? 1ULL << capability : 0);
            cr_assert(read_status(text, strlen(text), &status));
            cr_expect_eq(status.network_capabilities, capability == 12 || capability == 13, "%s %u",
                         sets[one], capability);
        }
}

/* What is missing is never "none": cut anywhere before its last line's value it is not read at all. */
Test(status, cut_at_every_byte)
{
    static const char text[] = STATUS("sh", "0 10", NO_CAPABILITIES, NO_CAPABILITIES, "2");
    size_t enough = (size_t)(strstr(text, "Seccomp:\t2") - text) + strlen("Seccomp:\t2");

    for (size_t size = 1; size < strlen(text); size++) {
        struct status status;

        cr_expect_eq(read_status(text, size, &status), size >= enough, "%zu", size);
    }
}

/* The kernel escapes a name's newlines; groups may fill many buffers; numbers that are too large are large.
 */
Test(status, names_and_long_lines_are_not_taken_for_others)
{
    static const char name[] = STATUS("CapEff: 0\\nSeccomp:", "", NO_CAPABILITIES, NO_CAPABILITIES, "0");
    static const char large[] = STATUS("sh", "", NO_CAPABILITIES, "ffffffffffffffffffffffffffffffff", "0");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct status status;

    cr_assert(read_status(name, strlen(name), &status));
    cr_expect(!status.filtered);
    cr_assert(read_status(large, strlen(large), &status));
    cr_expect(status.network_capabilities);
    fputs("Name:\tsh\nGroups:\t", out);
    for (int i = 0; i < 65536; i++)
        fprintf(out, "%d ", i);
    fputs(strchr(name, '\n') + 1, out);
    fclose(out);
    cr_expect(read_status(text, size, &status));
    free(text);
}

/* ---- /proc/PID/net/udp and tcp ---- */

#define TABLE "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"

static bool is_in(const char *text)
{
    cleanup_file FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");

    cr_assert_not_null(file);
    return resolver_is_in(file);
}

Test(resolver, tables)
{
    cr_expect(is_in(TABLE "   58: 0B00007F:0035 00000000:0000 07 00000000:00000000 00:00000000\n"));
    cr_expect(is_in(TABLE "1000: 0100007F:0035 00000000:0000\n1001: 0B00007F:AA11 00000000:0000 0A"));
    cr_expect_not(is_in(TABLE));
    cr_expect_not(is_in(TABLE "   58: 0100007F:0035 0B00007F:0000 07\n"));
    cr_expect_not(is_in(TABLE "   58: 00000000:000B 00000000:0000 07\n"));
    cr_expect_not(is_in(TABLE "   58: 7F00000B:0035 00000000:0000 07\n")); /* 11.0.0.127 */
    cr_expect_not(is_in("0B00007F:0035\n: 0B00007F:0035\n 5 0B00007F:0035\n"));
}

/* It is there as soon as its address and the colon behind it are. */
Test(resolver, cut_at_every_byte)
{
    static const char line[] = "   58: 0B00007F:0035 00000000:0000 07 00000000:00000000\n";
    size_t enough = (size_t)(strstr(line, "0B00007F") - line) + strlen("0B00007F");

    for (size_t size = 1; size < strlen(line); size++) {
        cleanup_free char *text = strndup(line, size);

        cr_expect_eq(is_in(text), size >= enough, "%zu", size);
    }
}

/* ---- numbers in /proc/PID/status and fdinfo ---- */

Test(numbers, are_found_by_their_key)
{
    cr_expect_eq(remote_number_after("pos:\t0\nPid:\t17\nNSpid:\t17\t1\n", "Pid:"), 17);
    cr_expect_eq(remote_number_after("Pid:\t-1\n", "Pid:"), -1);
    cr_expect_eq(remote_number_after("Pid:\t0", "Pid:"), 0);
    cr_expect_eq(remote_number_after("PPid:\t5\nTracerPid:\t6\n", "Pid:"), -1);
    cr_expect_eq(remote_number_after("Pid:\n5\n", "Pid:"), -1);
    cr_expect_eq(remote_number_after("Pid:\t17x\n", "Pid:"), -1);
    cr_expect_eq(remote_number_after("Pid:\t17\t1\n", "Pid:"), -1);
    cr_expect_eq(remote_number_after("Pid:\tx\nPid:\t5\n", "Pid:"), -1);
    cr_expect_eq(remote_number_after("Pid:", "Pid:"), -1);
    cr_expect_eq(remote_number_after("", "Pid:"), -1);
    cr_expect_eq(remote_number_after("Pid:\t99999999999999999999\n", "Pid:"), LONG_MAX);
}

/* ---- /proc/PID/uid_map ---- */

static bool maps_root(const char *text)
{
    cleanup_file FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");

    cr_assert_not_null(file);
    return refuse_maps_root(file);
}

Test(uid_map, hosts_root)
{
    cr_expect_not(maps_root("         0     100000      65536\n"));
    cr_expect_not(maps_root("0 100000 1\n1 200000 65535\n70000 4294967294 1\n"));
    cr_expect(maps_root("         0          0 4294967295\n"));
    cr_expect(maps_root("0 100000 1\n1 0 1\n"));
    cr_expect(maps_root("1000 0 1"));
}

/* A line that is not understood may be the one that maps root. */
Test(uid_map, of_another_form)
{
    cr_expect(maps_root("0 100000\n"));
    cr_expect(maps_root("x\n"));
    cr_expect(maps_root("0 100000 65536\n1 x 1\n"));
    cr_expect(maps_root("0 100000 65536 1\n"));
    cr_expect(maps_root("0 0x 5\n"));
}

Test(uid_map, cut_at_every_byte)
{
    static const char map[] = "0 100000 65536\n65536 0 1\n";
    size_t first = (size_t)(strchr(map, '\n') - map);

    for (size_t size = 1; size < strlen(map); size++) {
        cleanup_free char *text = strndup(map, size);
        bool whole = size > strlen("0 100000 ") && size <= first + 1;

        cr_expect_eq(maps_root(text), !whole, "%zu", size);
    }
}

/* ---- /proc/PID/stat ---- */

static const char STAT[] = "4711 (a) S 1 (b) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1\n";

static bool starts(const char *text, uint64_t expected)
{
    uint64_t ticks = 42;
    bool found = tenants_parse_start(text, &ticks);

    cr_expect_eq(ticks, found ? expected : 42, "%s", text);
    return found;
}

Test(start, names_that_look_like_fields)
{
    cr_expect(starts("1 (sh) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 1\n", 99));
    cr_expect(starts("1 (a) S 1 (b) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 1\n", 99));
    cr_expect(starts("1 () ) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99", 99));
    cr_expect(starts("1 (sh) S 1 1 1 0 -1 1 1 2 3 4 5 6 7 8 20 0 1 0 18446744073709551615 1", UINT64_MAX));
    cr_expect_not(starts("1 (sh) S 1 1 1 0 -1 1 1 2 3 4 5 6 7 8 20 0 1 0 18446744073709551616 1", 0));
    cr_expect_not(starts("1 (sh) S 1 1 1 0 -1 1 1 2 3 4 5 6 7 8 20 0 1 0 -1 1", 0));
    cr_expect_not(starts("1 (sh) S 1 1 1 0 -1 1 1 2 3 4 5 6 7 8 20 0 1 0 9x 1", 0));
    cr_expect_not(starts("1 sh S 1 1 1 0 -1 1 1 2 3 4 5 6 7 8 20 0 1 0 9 1", 0));
    cr_expect_not(starts("", 0));
    cr_expect_not(starts(")", 0));
}

/* It is there as soon as its number begins (one that was cut is another one: the kernel's line is read
 * whole). */
Test(start, cut_at_every_byte)
{
    size_t enough = (size_t)(strstr(STAT, "123456") - STAT);

    for (size_t size = 0; size < strlen(STAT); size++) {
        cleanup_free char *text = strndup(STAT, size);
        uint64_t ticks = 42;

        cr_expect_eq(tenants_parse_start(text, &ticks), size > enough, "%zu", size);
        cr_expect((ticks == 42) == (size <= enough), "%zu", size);
    }
}

/* ---- /proc/net/netstat ---- */

Test(netstat, cut_at_every_byte)
{
    static const char whole[] = "TcpExt: A IPReversePathFilter B\nTcpExt: 1 2345 6\n";
    size_t enough = (size_t)(strstr(whole, "2345") - whole);

    for (size_t size = 0; size < strlen(whole); size++) {
        cleanup_free char *text = strndup(whole, size);
        uint64_t value = 42;
        bool found = netstat_find(text, "TcpExt", "IPReversePathFilter", &value);

        cr_expect_eq(found, size > enough, "%zu", size);
        cr_expect(found || value == 42, "%zu", size);
    }
}
