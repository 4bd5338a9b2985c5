/* SPDX-License-Identifier: Apache-2.0
 *
 * What runc has written down of a container: believed where it is whole, true of a living process, and
 * nobody else's to write. With one thing wrong the runtime is asked. */
#include "base/cleanup.h"
#include "base/json.h"
#include "hook/process.h"
#include "hook/runtime_record.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOOD                                                                                                \
    "{\"id\": \"c\", \"init_process_pid\": %d, \"init_process_start\": %llu, \"created\": \"2026-11-29\", " \
    "\"config\": {\"labels\": [\"org.opencontainers=1\", \"bundle=/bundles/c\"]}}"

static char root[] = "/tmp/sallyport-unit-XXXXXX";
static char container[64];

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", container, name);
    return path;
}

static void write_record(const char *text)
{
    FILE *file = fopen(path_of("state.json"), "w");

    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static unsigned long long own_start(void)
{
    uint64_t start = 0;

    cr_assert_eq(process_start("self", &start), 0);
    return start;
}

static void write_good(void)
{
    char text[512];

    snprintf(text, sizeof(text), GOOD, (int)getpid(), own_start());
    write_record(text);
}

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(root));
    snprintf(container, sizeof(container), "%s/c", root);
    cr_assert_eq(mkdir(container, 0711), 0);
    cr_assert_eq(mkfifo(path_of("exec.fifo"), 0622), 0);
    write_good();
}

static void tear_down(void)
{
    unlink(path_of("state.json"));
    unlink(path_of("exec.fifo"));
    rmdir(container);
    rmdir(root);
}

TestSuite(runtime_record, .init = set_up, .fini = tear_down, .timeout = 60);

static bool is_believed(void)
{
    cleanup_json json_t *state = NULL;

    return runtime_record_read(root, "c", &state);
}

Test(runtime_record, of_a_container_that_waits)
{
    cleanup_json json_t *state = NULL;

    cr_assert(runtime_record_read(root, "c", &state));
    cr_expect_str_eq(json_string_value(json_object_get(state, "id")), "c");
    cr_expect_str_eq(json_string_value(json_object_get(state, "status")), "created");
    cr_expect_str_eq(json_string_value(json_object_get(state, "bundle")), "/bundles/c");
    cr_expect_eq(json_integer_value(json_object_get(state, "pid")), getpid());
}

Test(runtime_record, of_one_that_has_been_started)
{
    cr_assert_eq(unlink(path_of("exec.fifo")), 0);
    cr_expect(!is_believed());
    close(creat(path_of("exec.fifo"), 0600));
    cr_expect(!is_believed(), "that is no fifo");
}

Test(runtime_record, that_others_can_write)
{
    cr_assert_eq(chmod(container, 0771), 0);
    cr_expect(!is_believed());
    cr_assert_eq(chmod(container, 0717), 0);
    cr_expect(!is_believed());
    cr_assert_eq(chmod(container, 0755), 0);
    cr_expect(is_believed());
    if (geteuid() == 0) {
        cr_assert_eq(chown(container, 1, 0), 0);
        cr_expect(!is_believed());
    }
}

Test(runtime_record, that_leads_elsewhere)
{
    cleanup_json json_t *state = NULL;
    char moved[128];

    cr_expect(!runtime_record_read(NULL, "c", &state));
    cr_expect(!runtime_record_read("/nonexistent", "c", &state));
    cr_expect(!runtime_record_read(root, "d", &state));
    cr_expect(!runtime_record_read(root, "../c", &state));
    cr_expect(!runtime_record_read(container, ".", &state));
    snprintf(moved, sizeof(moved), "%s/moved", container);
    cr_assert_eq(rename(path_of("state.json"), moved), 0);
    cr_assert_eq(symlink(moved, path_of("state.json")), 0);
    cr_expect(!is_believed());
    unlink(moved);
}

Test(runtime_record, of_a_process_that_is_another_by_now)
{
    char text[512];

    snprintf(text, sizeof(text), GOOD, (int)getpid(), own_start() + 1);
    write_record(text);
    cr_expect(!is_believed());
    snprintf(text, sizeof(text), GOOD, 0x7ffffffe, own_start());
    write_record(text);
    cr_expect(!is_believed());
    write_good();
    cr_expect(is_believed());
}

Test(runtime_record, in_another_form)
{
    static const char *const forms[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"id\": \"c\"}",
        "{\"id\": \"d\", \"init_process_pid\": 7, \"init_process_start\": 7, \"config\": {\"labels\": "
        "[\"bundle=/b\"]}}",
        "{\"id\": \"c\", \"init_process_pid\": 1, \"init_process_start\": 7, \"config\": {\"labels\": "
        "[\"bundle=/b\"]}}",
        "{\"id\": \"c\", \"init_process_pid\": -7, \"init_process_start\": 7, \"config\": {\"labels\": "
        "[\"bundle=/b\"]}}",
        "{\"id\": \"c\", \"init_process_pid\": 4294967303, \"init_process_start\": 7, "
        "\"config\": {\"labels\": [\"bundle=/b\"]}}",
        "{\"id\": \"c\", \"init_process_pid\": \"7\", \"init_process_start\": 7, "
        "\"config\": {\"labels\": [\"bundle=/b\"]}}",
        "{\"id\": \"c\", \"init_process_pid\": 7, \"init_process_start\": 0, \"config\": {\"labels\": "
        "[\"bundle=/b\"]}}",
        "{\"id\": \"c\", \"init_process_pid\": 7, \"config\": {\"labels\": [\"bundle=/b\"]}}",
        "{\"id\": \"c\", \"init_process_pid\": 7, \"init_process_start\": 7, \"config\": {\"labels\": "
        "[\"bundle=b\"]}}",
        "{\"id\": \"c\", \"init_process_pid\": 7, \"init_process_start\": 7, \"config\": {\"labels\": [7, "
        "\"other=/b\"]}}",
        "{\"id\": \"c\", \"init_process_pid\": 7, \"init_process_start\": 7, \"config\": {\"labels\": "
        "[\"bundle=/an/annotation\", \"bundle=/b\"]}}",
        "{\"id\": \"c\", \"init_process_pid\": 7, \"init_process_start\": 7, \"config\": {\"labels\": "
        "[\"bundle=/b\", \"bundle=an annotation\"]}}",
        "{\"id\": \"c\", \"init_process_pid\": 7, \"init_process_start\": 7, \"config\": {\"labels\": "
        "\"bundle=/b\"}}",
        "{\"id\": \"c\", \"init_process_pid\": 7, \"init_process_start\": 7, \"labels\": [\"bundle=/b\"]}",
    };
    static const char good[] = "{\"id\": \"c\", \"init_process_pid\": 7, \"init_process_start\": 7, "
                               "\"config\": {\"labels\": [\"bundle=/b\"]}}";
    json_t *state = NULL;
    uint64_t start = 0;

    for (size_t i = 0; i < array_size(forms); i++)
        cr_expect(!runtime_record_parse(forms[i], strlen(forms[i]), "c", &state, &start), "%s", forms[i]);
    cr_assert(runtime_record_parse(good, strlen(good), "c", &state, &start),
              "of which they differ in one thing");
    cr_expect_eq(start, 7);
    json_decref(state);
}
