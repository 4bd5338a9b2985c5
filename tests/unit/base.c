/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char directory[] = "/tmp/sallyport-base.XXXXXX";
static int dirfd_of_test = -1;

static void make_directory(void)
{
    cr_assert_not_null(mkdtemp(directory));
    dirfd_of_test = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(dirfd_of_test, 0);
}

static void remove_directory(void)
{
    unlinkat(dirfd_of_test, "file", 0);
    unlinkat(dirfd_of_test, "link", 0);
    close(dirfd_of_test);
    cr_assert_eq(rmdir(directory), 0, "a test left something behind: %s", strerror(errno));
}

TestSuite(error);
TestSuite(file, .init = make_directory, .fini = remove_directory);
TestSuite(log);

Test(error, names_the_cause_and_the_advice)
{
    struct error err;

    cr_assert_eq(error_set(&err, ENOENT, "open %s", "policy.json"), -ENOENT);
    cr_assert_eq(error_advise(&err, "write it"), -ENOENT);
    cr_assert_eq(error_prefix(&err, "network %s", "hermes"), -ENOENT);
    cr_assert_str_eq(err.text, "network hermes: open policy.json: No such file or directory; write it");
}

Test(error, without_a_cause_is_still_an_error)
{
    struct error err;

    cr_assert_eq(error_set(&err, 0, "it is empty"), -EINVAL);
    cr_assert_str_eq(err.text, "it is empty");
}

Test(error, input_cannot_forge_a_log_line)
{
    struct error err;

    error_set(&err, 0, "role `%s`", "x\nsallyport: all is well\x1b[2J\x7f");
    cr_assert_str_eq(err.text, "role `x?sallyport: all is well?[2J?`");
    error_set(&err, 0, "role `%s`",
              "\xc2\x9b"
              "2J\xc3\xbc\xc2\xa0"); /* CSI in one character; letters stay */
    cr_assert_str_eq(err.text, "role `??2J\xc3\xbc\xc2\xa0`");
}

Test(error, survives_texts_that_are_too_long)
{
    struct error err;
    char text[4096];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    error_set(&err, EINVAL, "%s", text);
    error_advise(&err, "%s", text);
    error_prefix(&err, "%s", text);
    cr_assert_eq(strlen(err.text), sizeof(err.text) - 1);
}

static int memory_file(const char *text, size_t length)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    cr_assert_eq(file_write_all(fd, text, length), 0);
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

Test(file, reads_up_to_the_limit_and_no_further)
{
    static const char text[20000] = "a\0b";
    cleanup_close int fd = memory_file(text, sizeof(text));
    cleanup_free char *read_text = NULL;
    size_t length = 0;
    struct error err;

    cr_assert_eq(file_read_fd(fd, "it", sizeof(text), &read_text, &length, &err), 0);
    cr_assert_eq(length, sizeof(text));
    cr_assert_eq(memcmp(read_text, text, length), 0);
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    cr_assert_eq(file_read_fd(fd, "it", sizeof(text) - 1, &read_text, &length, &err), -EFBIG);
}

Test(file, follows_no_symbolic_link_and_opens_no_directory)
{
    cleanup_free char *text = NULL;
    size_t length = 0;
    struct error err;

    cr_assert_eq(symlinkat("/etc/passwd", dirfd_of_test, "link"), 0);
    cr_assert_eq(file_read_at(dirfd_of_test, "link", 4096, &text, &length, &err), -ELOOP);
    cr_assert_lt(file_read_at(dirfd_of_test, ".", 4096, &text, &length, &err), 0);
    cr_assert_lt(file_replace_at(dirfd_of_test, "link", "x", 1, 0600, &err), 0);
    cr_assert_null(text);
}

static ino_t inode_of(const char *name)
{
    struct stat st;

    cr_assert_eq(fstatat(dirfd_of_test, name, &st, 0), 0);
    return st.st_ino;
}

Test(file, replaces_with_the_same_owner_and_mode)
{
    cleanup_free char *text = NULL;
    size_t length = 0;
    struct error err;
    struct stat st;
    ino_t first = 0;

    cr_assert_eq(file_replace_at(dirfd_of_test, "file", "one", 3, 0640, &err), 0, "%s", err.text);
    first = inode_of("file");
    cr_assert_eq(fchownat(dirfd_of_test, "file", 123, 456, 0), 0);
    cr_assert_eq(fchmodat(dirfd_of_test, "file", 0604, 0), 0);
    cr_assert_eq(file_replace_at(dirfd_of_test, "file", "other", 5, 0600, &err), 0, "%s", err.text);
    cr_assert_eq(fstatat(dirfd_of_test, "file", &st, 0), 0);
    cr_assert_neq(st.st_ino, first, "a new file took its place");
    cr_assert_eq(st.st_mode & 07777, 0604);
    cr_assert_eq(st.st_uid, 123);
    cr_assert_eq(st.st_gid, 456);
    cr_assert_eq(file_read_at(dirfd_of_test, "file", 100, &text, &length, &err), 0);
    cr_assert_str_eq(text, "other");
}

Test(file, leaves_a_file_alone_that_needs_no_change)
{
    struct error err;
    ino_t first = 0;

    cr_assert_eq(file_replace_at(dirfd_of_test, "file", "same", 4, 0600, &err), 0);
    first = inode_of("file");
    cr_assert_eq(file_replace_at(dirfd_of_test, "file", "same", 4, 0600, &err), 0);
    cr_assert_eq(inode_of("file"), first);
}

Test(log, says_who_it_is_about)
{
    struct error err;

    error_set(&err, 0, "what: why; what to do");
    cr_assert_str_eq(log_line(&err), "what: why; what to do");
    log_context("hermes", NULL, NULL);
    log_context(NULL, "agent", "0123456789abcdef");
    cr_assert_str_eq(log_line(&err), "hermes/agent 0123456789ab: what: why; what to do");
}
