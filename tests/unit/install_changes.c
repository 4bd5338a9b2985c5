/* SPDX-License-Identifier: Apache-2.0
 *
 * Plans of changes: made all or none, and never over what somebody else has written meanwhile. */
#include "cli/install_changes.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static char directory[] = "/tmp/sallyport-changes.XXXXXX";

static void make_directory(void)
{
    cr_assert_eq(geteuid(), 0, "files must be root's: run this as root");
    cr_assert_not_null(mkdtemp(directory));
}

static const char *path_of(const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned next = 0;
    char *path = paths[next++ % 4];

    snprintf(path, PATH_MAX, "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    struct error err = {0};

    cr_assert_eq(file_replace_at(AT_FDCWD, path_of(name), text, strlen(text), 0600, &err), 0, "%s", err.text);
}

static void expect_file(const char *name, const char *text)
{
    struct error err = {0};
    cleanup_free char *there = NULL;
    size_t length = 0;

    cr_assert_eq(changes_read(path_of(name), &there, &length, &err), 0, "%s", err.text);
    cr_expect((there == NULL) == (text == NULL), "%s: <%s>", name, there);
    if (there != NULL && text != NULL)
        cr_expect_str_eq(there, text);
}

static void plan(struct changes *changes, const char *name, const char *before, const char *after)
{
    struct error err = {0};

    cr_assert_eq(changes_file(changes, path_of(name), before, before != NULL ? strlen(before) : 0, after,
                              after != NULL ? strlen(after) : 0, &err),
                 0, "%s", err.text);
}

static void remove_all(void)
{
    static const char *const NAMES[] = {"a", "b", "c", "d/e", "d", "l"};

    for (size_t i = 0; i < array_size(NAMES); i++)
        (void)remove(path_of(NAMES[i]));
    cr_expect_eq(rmdir(directory), 0, "something is left in %s", directory);
}

TestSuite(install_changes, .init = make_directory, .fini = remove_all);

Test(install_changes, are_made)
{
    static struct changes changes;
    struct error err = {0};
    struct stat st;

    write_file("a", "old");
    write_file("b", "goes");
    plan(&changes, "a", "old", "new");
    plan(&changes, "b", "goes", NULL);
    plan(&changes, "c", NULL, NULL);
    plan(&changes, "d/e", NULL, "made");
    cr_assert_eq(changes_link(&changes, path_of("l"), "/target", &err), 0);
    cr_expect_eq(changes.count, 4);
    cr_assert_eq(changes_apply(&changes, &err), 0, "%s", err.text);
    expect_file("a", "new");
    expect_file("b", NULL);
    expect_file("d/e", "made");
    cr_expect_eq(lstat(path_of("l"), &st), 0);
    cr_expect(S_ISLNK(st.st_mode));
    cr_expect_eq(stat(path_of("a"), &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0600);
    changes_free(&changes);
}

Test(install_changes, somebody_else_s_change_stays)
{
    static struct changes changes;
    struct error err = {0};

    write_file("a", "old");
    plan(&changes, "a", "old", "new");
    write_file("a", "theirs");
    cr_expect_lt(changes_apply(&changes, &err), 0);
    cr_expect_not_null(strstr(err.text, "changed meanwhile"), "%s", err.text);
    expect_file("a", "theirs");
    changes_free(&changes);
}

Test(install_changes, a_failure_takes_back_what_was_done)
{
    static struct changes changes;
    struct error err = {0};
    struct stat st;

    write_file("a", "old");
    write_file("b", "goes");
    write_file("c", "old");
    plan(&changes, "a", "old", "new");
    plan(&changes, "b", "goes", NULL);
    cr_assert_eq(changes_link(&changes, path_of("l"), "/target", &err), 0);
    plan(&changes, "c", "old", "new");
    write_file("c", "theirs");
    cr_expect_lt(changes_apply(&changes, &err), 0);
    expect_file("a", "old");
    expect_file("b", "goes");
    expect_file("c", "theirs");
    cr_expect_lt(lstat(path_of("l"), &st), 0);
    changes_free(&changes);
}

Test(install_changes, what_is_not_a_link_is_not_replaced_by_one)
{
    static struct changes changes;
    struct error err = {0};

    write_file("l", "a file");
    cr_expect_lt(changes_link(&changes, path_of("l"), "/target", &err), 0);
    cr_expect_eq(changes.count, 0);
    expect_file("l", "a file");
}

Test(install_changes, what_others_may_write_is_not_read)
{
    struct error err = {0};
    char *text = NULL;
    size_t length = 0;

    write_file("a", "old");
    cr_assert_eq(chmod(path_of("a"), 0620), 0);
    cr_expect_lt(changes_read(path_of("a"), &text, &length, &err), 0);
    cr_assert_eq(symlink("b", path_of("l")), 0);
    write_file("b", "old");
    cr_expect_lt(changes_read(path_of("l"), &text, &length, &err), 0);
    cr_expect_eq(changes_read_target(path_of("l"), &text, &length, &err), 0, "%s", err.text);
    cr_expect_lt(changes_read("/etc/..", &text, &length, &err), 0);
    free(text);
}
