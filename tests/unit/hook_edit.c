/* SPDX-License-Identifier: Apache-2.0
 *
 * What is changed in a config: capabilities, names, hooks (hook_environment.c: the environment); and that
 * editing twice is editing once, byte for byte, for configs as engines write them. */
#include "base/cleanup.h"
#include "base/file.h"
#include "hook/capabilities.h"
#include "hook/document.h"
#include "hook/edit.h"
#include "hook/names.h"
#include "hook/voucher.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char POLICY[] =
    "{\"version\":1,\"subnet\":\"10.209.0.0/24\","
    "\"proxy\":{\"address\":\"10.209.0.2\",\"port\":3128,\"at\":\"host\"},\"roles\":{"
    "\"agent\":{\"addresses\":\"10.209.0.64/26\",\"reach\":[\"proxy\",\"gateway:8642\"]},"
    "\"gateway\":{\"addresses\":\"10.209.0.3\",\"reach\":[\"proxy\"]},"
    "\"lonely\":{\"addresses\":\"10.209.0.4\",\"reach\":[]}}}";

static struct policy policy;
static const struct policy_role *agent;
static char directory[] = "/tmp/sallyport-unit-XXXXXX";
static int directory_fd = -1;

static json_t *parse(const char *text)
{
    struct error err = {0};
    json_t *document = NULL;

    cr_assert_eq(document_parse(text, strlen(text), "test", &document, &err), 0, "%s: %s", text, err.text);
    return document;
}

static char *dump(const json_t *document)
{
    struct error err = {0};
    char *text = NULL;
    size_t length = 0;

    cr_assert_eq(document_dump(document, &text, &length, &err), 0, "%s", err.text);
    return text;
}

static void set_up(void)
{
    struct error err = {0};

    cr_assert_eq(policy_parse(POLICY, strlen(POLICY), "FILE", "hermes", &policy, &err), 0, "%s", err.text);
    agent = policy_role_find(&policy, "agent");
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(chmod(directory, 0755), 0);
    directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(directory_fd, 0);
}

static void tear_down(void)
{
    DIR *list = fdopendir(directory_fd);
    const struct dirent *entry = NULL;

    while ((entry = readdir(list)) != NULL)
        unlinkat(dirfd(list), entry->d_name, 0);
    closedir(list);
    rmdir(directory);
    policy_free(&policy);
}

TestSuite(edit, .init = set_up, .fini = tear_down);
TestSuite(names, .init = set_up, .fini = tear_down);

Test(capabilities, network_is_removed_from_every_set)
{
    cleanup_json json_t *capabilities = parse(
        "{\"bounding\":[\"CAP_NET_RAW\",\"CAP_CHOWN\",\"CAP_NET_ADMIN\",\"CAP_NET_RAW\"],"
        "\"effective\":[\"cap_net_raw\",\"Cap_Net_Admin\"],\"inheritable\":[\"NET_RAW\",\"net_admin\"],"
        "\"permitted\":[\"13\",\"12\",\"0xd\",\"014\",\"CAP_NET_RAW \",\"CAP_NET_ADMIN\\t\"],"
        "\"ambient\":[\"CAP_NET_BIND_SERVICE\",\"1\",\"CAP_NET_RAWISH\",\"\"],\"unknown\":[\"CAP_NET_RAW\"],"
        "\"empty\":[],\"null\":null}");
    cleanup_free char *text = NULL;

    cr_assert(capabilities_have_net_admin(capabilities));
    capabilities_remove_network(capabilities);
    text = dump(capabilities);
    cr_assert_str_eq(text,
                     "{\"bounding\":[\"CAP_CHOWN\"],\"effective\":[],\"inheritable\":[],\"permitted\":[],"
                     "\"ambient\":[\"CAP_NET_BIND_SERVICE\",\"1\",\"CAP_NET_RAWISH\",\"\"],\"unknown\":[],"
                     "\"empty\":[],\"null\":null}\n");
    cr_assert_not(capabilities_have_net_admin(capabilities));
    capabilities_remove_network(NULL);
    cr_assert_not(capabilities_have_net_admin(NULL));
}

Test(capabilities, uncontained_are_refused_in_any_set)
{
    static const char *const SETS[] = {"bounding", "effective", "inheritable", "permitted", "ambient"};
    static const char *const NAMES[] = {"SYS_ADMIN", "SYS_MODULE",  "SYS_RAWIO", "SYS_PTRACE",
                                        "SYS_BOOT",  "BPF",         "PERFMON",   "DAC_READ_SEARCH",
                                        "MAC_ADMIN", "MAC_OVERRIDE"};
    static const struct {
        const char *before;
        const char *after;
    } SPELLINGS[] = {{"CAP_", ""}, {"", ""}, {"cap_", "\\n"}};

    for (size_t i = 0; i < array_size(SETS) * array_size(NAMES) * array_size(SPELLINGS); i++) {
        const char *name = NAMES[i / array_size(SETS) % array_size(NAMES)];
        size_t spelling = i / array_size(SETS) / array_size(NAMES);
        struct error err = {0};
        char text[256];
        cleanup_json json_t *capabilities = NULL;

        snprintf(text, sizeof(text), "{\"%s\":[\"CAP_CHOWN\",\"%s%s%s\"]}", SETS[i % array_size(SETS)],
                 SPELLINGS[spelling].before, name, SPELLINGS[spelling].after);
        capabilities = parse(text);
        cr_assert_lt(capabilities_check(capabilities, &err), 0, "accepted: %s", text);
        snprintf(text, sizeof(text), "--cap-drop %s", name);
        cr_assert_not_null(strstr(err.text, text), "%s", err.text);
    }
}

/* Docker's default set. */
Test(capabilities, ordinary_are_let_through)
{
    struct error err = {0};
    cleanup_json json_t *capabilities =
        parse("{\"bounding\":[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\","
              "\"CAP_NET_RAW\",\"CAP_SETGID\",\"CAP_SETUID\",\"CAP_SETFCAP\",\"CAP_SETPCAP\","
              "\"CAP_NET_BIND_SERVICE\",\"CAP_SYS_CHROOT\",\"CAP_KILL\",\"CAP_AUDIT_WRITE\"]}");

    cr_assert_eq(capabilities_check(capabilities, &err), 0, "%s", err.text);
    cr_assert_eq(capabilities_check(NULL, &err), 0);
    cr_assert_lt(capabilities_check(json_array_get(json_object_get(capabilities, "bounding"), 0), &err), 0);
}

#define PROXY_URL "http://10.209.0.2:3128"

static char *read_file(const char *name)
{
    struct error err = {0};
    char *text = NULL;
    size_t length = 0;

    cr_assert_eq(file_read_at(directory_fd, name, 1 << 20, &text, &length, &err), 0, "%s", err.text);
    return text;
}

/* The mounts that cover the path when the runtime has made them all: the last one counts. */
static const char *last_source(const json_t *config, const char *path)
{
    const json_t *mounts = json_object_get(config, "mounts");
    const char *source = NULL;

    for (size_t i = 0; i < json_array_size(mounts); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(mounts, i), "destination")), path) == 0)
            source = json_string_value(json_object_get(json_array_get(mounts, i), "source"));
    return source;
}

Test(names, replaces_every_spelling_of_the_mounts)
{
    static const char *const SPELLINGS[] = {
        "/etc/hosts",         "/etc/hosts/", "//etc///hosts", "/etc/./hosts",         "/etc/../etc/hosts",
        "/../../etc/hosts/.", "etc/hosts",   "./etc/hosts",   "/a/b/../../etc/hosts",
    };
    static const char *const OTHERS[] = {"/etc/hostsx", "/etc", "/etc/hosts/x", "/", "/etc/hosts.",
                                         "/etc/host",   "",     "/etc/..hosts"};

    for (size_t i = 0; i < array_size(SPELLINGS) + array_size(OTHERS); i++) {
        bool same = i < array_size(SPELLINGS);
        const char *spelling = same ? SPELLINGS[i] : OTHERS[i - array_size(SPELLINGS)];
        struct error err = {0};
        cleanup_json json_t *config =
            json_pack("{s:[{s:s, s:s}]}", "mounts", "destination", spelling, "source", "/x");

        cr_assert_eq(names_mount(config, directory_fd, directory, &policy, &policy.roles[0], &err), 0, "%s",
                     err.text);
        cr_assert_eq(json_array_size(json_object_get(config, "mounts")), same ? 2 : 3, "`%s`", spelling);
    }
}

Test(names, files)
{
    struct error err = {0};
    cleanup_json json_t *config =
        parse("{\"hostname\":\"box-1.example\",\"mounts\":["
              "{\"destination\":\"/etc/resolv.conf\",\"source\":\"/engine/resolv\"},"
              "{\"destination\":\"/data\",\"source\":\"/srv\"}]}");
    cleanup_free char *once = NULL;
    cleanup_free char *twice = NULL;
    cleanup_free char *hosts = NULL;
    cleanup_free char *resolv = NULL;
    struct stat st;
    char want[128];

    cr_assert_eq(names_mount(config, directory_fd, directory, &policy, &policy.roles[0], &err), 0, "%s",
                 err.text);
    once = dump(config);
    hosts = read_file("sallyport-hosts");
    cr_assert_str_eq(hosts,
                     "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.209.0.2\tproxy\n"
                     "10.209.0.3\tgateway\n10.209.0.4\tlonely\n127.0.1.1\tbox-1.example\n");
    resolv = read_file("sallyport-resolv.conf");
    for (const char *line = resolv; *line != '\0'; line = strchr(line, '\n') + 1)
        cr_assert_eq(*line, '#', "%s", line);
    cr_assert_eq(fstatat(directory_fd, "sallyport-hosts", &st, 0), 0);
    cr_assert_eq(st.st_mode & 07777, 0644);
    snprintf(want, sizeof(want), "%s/sallyport-resolv.conf", directory);
    cr_assert_str_eq(last_source(config, "/etc/resolv.conf"), want);
    cr_assert_str_eq(last_source(config, "/data"), "/srv");
    cr_assert_not_null(strstr(once, "\"ro\""));
    cr_assert_eq(names_mount(config, directory_fd, directory, &policy, &policy.roles[0], &err), 0, "%s",
                 err.text);
    twice = dump(config);
    cr_assert_str_eq(once, twice);
}

/* A policy whose hosts are reached by their names alone; for policy_free. */
static struct policy passing(const char *proxy, const char *hosts)
{
    struct policy parsed;
    struct error err = {0};
    cleanup_free char *text = NULL;

    cr_assert(asprintf(&text,
                       "{\"version\":1,\"subnet\":\"10.209.0.0/24\",\"proxy\":{\"address\":\"10.209.0.2\","
                       "\"port\":3128,\"at\":\"host\"%s},\"roles\":{\"agent\":{\"addresses\":"
                       "\"10.209.0.64/26\",\"reach\":[\"proxy\"],\"hosts\":[%s]},\"gateway\":{\"addresses\":"
                       "\"10.209.0.3\",\"reach\":[\"proxy\"],\"hosts\":[\"others.example\"]}}}",
                       proxy, hosts) > 0);
    cr_assert_eq(policy_parse(text, strlen(text), "FILE", "hermes", &parsed, &err), 0, "%s", err.text);
    return parsed;
}

static char *hosts_of(const struct policy *of, const char *hostname)
{
    cleanup_json json_t *config = json_pack("{s:s}", "hostname", hostname);
    struct error err = {0};

    cr_assert_eq(names_mount(config, directory_fd, directory, of, policy_role_find(of, "agent"), &err), 0,
                 "%s", err.text);
    return read_file("sallyport-hosts");
}

#define LOCAL                                              \
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost "  \
    "ip6-loopback\n10.209.0.2\tproxy\n10.209.0.3\tgateway" \
    "\n"

Test(names, hosts_of_the_role_have_the_address_of_the_pass_through)
{
    static const struct {
        const char *proxy;
        const char *hostname;
        const char *want;
    } CASES[] = {
        {"", "box", LOCAL "127.0.1.1\tbox\n"},
        {",\"sni\":443", "box", LOCAL "10.209.0.2\ta.example\n10.209.0.2\tb.example\n127.0.1.1\tbox\n"},
        {",\"http\":80", "box", LOCAL "10.209.0.2\ta.example\n10.209.0.2\tc.example\n127.0.1.1\tbox\n"},
        {",\"sni\":443,\"http\":80", "box",
         LOCAL "10.209.0.2\ta.example\n10.209.0.2\tb.example\n10.209.0.2\tc.example\n127.0.1.1\tbox\n"},
        /* Of two lines for a name, some libraries take both. */
        {",\"sni\":443", "B.Example", LOCAL "10.209.0.2\ta.example\n10.209.0.2\tb.example\n"},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct policy of =
            passing(CASES[i].proxy, "\"a.example\",\"a.example:80\",\"b.example\",\"c.example:80\","
                                    "\".d.example\",\"e.example:22\"");
        cleanup_free char *hosts = hosts_of(&of, CASES[i].hostname);

        cr_expect_str_eq(hosts, CASES[i].want, "%s", hosts);
        policy_free(&of);
    }
}

Test(names, a_thousand_hosts)
{
    cleanup_free char *list = NULL;
    cleanup_free char *hosts = NULL;
    size_t length = 0;
    size_t lines = 0;
    FILE *out = open_memstream(&list, &length);
    struct policy of;

    for (unsigned i = 0; i < 1024; i++)
        fprintf(out, "%s\"host-%u.example\"", i > 0 ? "," : "", i);
    fclose(out);
    of = passing(",\"sni\":443", list);
    hosts = hosts_of(&of, "box");
    for (const char *at = hosts; (at = strstr(at, "10.209.0.2\thost-")) != NULL; at++)
        lines++;
    cr_expect_eq(lines, 1024);
    cr_expect_not_null(strstr(hosts, "10.209.0.2\thost-1023.example\n127.0.1.1\tbox\n"));
    policy_free(&of);
}

Test(names, hostname_cannot_write_lines)
{
    static const char *const BAD[] = {
        "a\n203.0.113.9 gateway", "a gateway", "a\tgateway", "a#b", "", "a\rb", "caf\xc3\xa9"};

    for (size_t i = 0; i < array_size(BAD); i++) {
        struct error err = {0};
        cleanup_json json_t *config = json_pack("{s:s}", "hostname", BAD[i]);
        cleanup_free char *hosts = NULL;

        cr_assert_eq(names_mount(config, directory_fd, directory, &policy, &policy.roles[0], &err), 0, "%s",
                     err.text);
        hosts = read_file("sallyport-hosts");
        cr_assert_null(strstr(hosts, "127.0.1.1"), "%s", hosts);
        cr_assert_null(strstr(hosts, "203.0.113.9"), "%s", hosts);
    }
}

/* precreate: beside the engine's own file, where only root can replace what lies there. */
Test(names, engine_directory)
{
    static const struct {
        mode_t mode;
        uid_t owner;
        bool used;
    } CASES[] = {{0755, 0, true},  {0700, 0, true},   {0775, 0, false},
                 {0757, 0, false}, {01777, 0, false}, {0755, 65534, false}};

    for (size_t i = 0; i < array_size(CASES); i++) {
        struct error err = {0};
        char source[64];
        cleanup_json json_t *config = NULL;

        snprintf(source, sizeof(source), "%s/resolv.conf", directory);
        config = json_pack("{s:[{s:s, s:s}]}", "mounts", "destination", "/etc/resolv.conf", "source", source);
        unlinkat(directory_fd, "sallyport-hosts", 0);
        cr_assert_eq(fchmod(directory_fd, CASES[i].mode), 0);
        cr_assert_eq(fchown(directory_fd, CASES[i].owner, (gid_t)-1), 0);
        cr_assert_eq(names_mount(config, -1, NULL, &policy, &policy.roles[0], &err), 0, "%s", err.text);
        cr_assert_eq(faccessat(directory_fd, "sallyport-hosts", F_OK, 0) == 0, CASES[i].used, "case %zu", i);
        cr_assert_eq(last_source(config, "/etc/hosts") != NULL, CASES[i].used, "case %zu", i);
    }
    cr_assert_eq(fchown(directory_fd, 0, (gid_t)-1), 0);
}

/* Podman's --no-hosts, --dns none and --network none leave out one or two of the files. */
Test(names, engine_directory_by_any_of_its_files)
{
    static const char *const FILES[] = {"resolv.conf", "hosts", "hostname"};

    for (size_t i = 0; i < array_size(FILES); i++) {
        struct error err = {0};
        char source[64];
        char destination[64];
        cleanup_json json_t *config = NULL;

        snprintf(source, sizeof(source), "%s/%s", directory, FILES[i]);
        snprintf(destination, sizeof(destination), "/etc/%s", FILES[i]);
        config = json_pack("{s:[{s:s, s:s}]}", "mounts", "destination", destination, "source", source);
        cr_assert_eq(names_mount(config, -1, NULL, &policy, &policy.roles[0], &err), 0, "%s", err.text);
        cr_assert_not_null(last_source(config, "/etc/hosts"), "%s", FILES[i]);
        cr_assert_not_null(last_source(config, "/etc/resolv.conf"), "%s", FILES[i]);
    }
}

Test(names, engine_without_files_or_with_the_hosts)
{
    static const char *const CONFIGS[] = {
        "{}",
        "{\"mounts\":[{\"destination\":\"/etc/resolv.conf\",\"source\":\"/etc/resolv.conf\"}]}",
        "{\"mounts\":[{\"destination\":\"/etc/resolv.conf\",\"source\":\"/etc/../etc/resolv.conf\"}]}",
        "{\"mounts\":[{\"destination\":\"/etc/resolv.conf\",\"source\":\"/resolv.conf\"}]}",
        "{\"mounts\":[{\"destination\":\"/etc/resolv.conf\",\"source\":\"relative/resolv.conf\"}]}",
        "{\"mounts\":[{\"destination\":\"/etc/resolv.conf\",\"source\":\"/nonexistent/resolv.conf\"}]}",
        "{\"mounts\":[{\"destination\":\"/etc/hostname\",\"source\":\"/etc/hostname\"}]}",
    };

    for (size_t i = 0; i < array_size(CONFIGS); i++) {
        struct error err = {0};
        cleanup_json json_t *config = parse(CONFIGS[i]);

        cr_assert_eq(names_mount(config, -1, NULL, &policy, &policy.roles[0], &err), 0, "%s", err.text);
        cr_assert_null(last_source(config, "/etc/hosts"), "%s", CONFIGS[i]);
    }
}

static const char DOCKER[] =
    "{\"ociVersion\":\"1.0.2-dev\",\"process\":{\"terminal\":true,\"user\":{\"uid\":0,\"gid\":0},\"args\":["
    "\"sh\"],"
    "\"env\":[\"PATH=/bin\",\"TERM=xterm\",\"http_proxy=http://"
    "corp.example:8080\",\"NO_PROXY=corp\"],\"cwd\":\"/\","
    "\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_NET_RAW\"],\"effective\":[\"CAP_NET_RAW\",\"CAP_"
    "CHOWN\"],"
    "\"permitted\":[\"CAP_CHOWN\",\"CAP_NET_RAW\",\"CAP_NET_ADMIN\"]},\"oomScoreAdj\":0,"
    "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":18446744073709551615,\"soft\":1024}]},"
    "\"root\":{\"path\":\"/var/lib/docker/overlay2/x/merged\"},\"hostname\":\"0a1b2c\","
    "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\",\"options\":[\"nosuid\"]},"
    "{\"destination\":\"/etc/resolv.conf\",\"type\":\"bind\",\"source\":\"/var/lib/docker/c/resolv.conf\","
    "\"options\":[\"rbind\",\"rprivate\"]},"
    "{\"destination\":\"/etc/hostname\",\"type\":\"bind\",\"source\":\"/var/lib/docker/c/hostname\"},"
    "{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"/var/lib/docker/c/hosts\"}],"
    "\"hooks\":{\"prestart\":[{\"path\":\"/proc/9/exe\",\"args\":[\"libnetwork-setkey\",\"x\"]}]},"
    "\"linux\":{\"sysctl\":{\"net.ipv4.ip_unprivileged_port_start\":\"0\"},\"resources\":{\"memory\":{"
    "\"limit\":"
    "9223372036854775807},\"cpu\":{\"shares\":18446744073709551615}},\"cgroupsPath\":\"/docker/x\","
    "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"},{\"type\":\"pid\"}],\"futureKey\":[{\"x\":1."
    "5}],"
    "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,\"architectures\":[\"SCMP_ARCH_"
    "X86_64\"],"
    "\"syscalls\":[{\"names\":[\"read\",\"write\",\"socket\",\"clone\"],\"action\":\"SCMP_ACT_ALLOW\"}]}}}";

static const char PODMAN[] =
    "{\"ociVersion\":\"1.0.2\",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],\"env\":["
    "\"container=podman\"],"
    "\"cwd\":\"/\",\"capabilities\":{\"bounding\":[\"CAP_CHOWN\"]}},\"root\":{\"path\":\"/c/merged\"},"
    "\"hostname\":\"pod\",\"mounts\":[],\"annotations\":{\"io.sallyport.network\":\"hermes\",\"x\":"
    "\"\\u00e9\"},"
    "\"hooks\":{\"createRuntime\":null,\"poststop\":[{\"path\":\"/usr/bin/other\"},"
    "{\"path\":\"/old/place/sallyport-hook\",\"args\":[\"sallyport-hook\",\"--role\",\"gateway\"]}],"
    "\"createRuntime2\":[]},\"linux\":{\"seccomp\":null,\"namespaces\":[{\"type\":\"network\",\"path\":\"/"
    "run/netns/n\"}]}}";

static json_t *edit(const char *text, const char *hook, int fd)
{
    static const struct selection PIN = {"hermes", "agent"};
    struct edit_request request = {.policy = &policy,
                                   .role = agent,
                                   .pin = &PIN,
                                   .hook = hook,
                                   .directory = fd,
                                   .directory_path = directory};
    struct error err = {0};
    json_t *config = parse(text);

    cr_assert_eq(edit_config(config, &request, &err), 0, "%s", err.text);
    return config;
}

static void twice_is_once(const char *text)
{
    static const char *const HOOKS[] = {"/opt/sallyport-hook", NULL};

    for (size_t i = 0; i < array_size(HOOKS); i++) {
        cleanup_json json_t *first = edit(text, HOOKS[i], directory_fd);
        cleanup_free char *once = dump(first);
        cleanup_free char *hosts_once = read_file("sallyport-hosts");
        cleanup_json json_t *second = edit(once, HOOKS[i], directory_fd);
        cleanup_free char *twice = dump(second);
        cleanup_free char *hosts_twice = read_file("sallyport-hosts");

        cr_assert_str_eq(once, twice);
        cr_assert_str_eq(hosts_once, hosts_twice);
        cr_assert(strcmp(once, text) != 0);
        cr_assert_not(
            capabilities_have_net_admin(json_object_get(json_object_get(first, "process"), "capabilities")));
        cr_assert_null(strstr(once, "CAP_NET_RAW"));
        cr_assert(json_is_object(json_object_get(json_object_get(first, "linux"), "seccomp")));
        cr_assert_not_null(strstr(once, "\"https_proxy=" PROXY_URL "\""));
    }
}

/* Runs `PROGRAM spec` in the test's directory and gives what it wrote. */
static char *spec_of(const char *program)
{
    char *text = NULL;
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (fchdir(directory_fd) == 0)
            execlp(program, program, "spec", NULL);
        _exit(127);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0, "%s spec: status %x", program, status);
    text = read_file("config.json");
    unlinkat(directory_fd, "config.json", 0);
    return text;
}

Test(edit, twice_is_once_for_runc)
{
    cleanup_free char *text = spec_of("runc");

    twice_is_once(text);
}

Test(edit, twice_is_once_for_crun)
{
    cleanup_free char *text = spec_of("crun");

    twice_is_once(text);
}

Test(edit, twice_is_once_for_docker)
{
    twice_is_once(DOCKER);
}

Test(edit, twice_is_once_for_podman)
{
    twice_is_once(PODMAN);
}

Test(edit, keeps_what_it_does_not_know)
{
    static const char *const KEPT[] = {"\"hard\":18446744073709551615",
                                       "\"shares\":18446744073709551615",
                                       "\"limit\":9223372036854775807",
                                       "\"futureKey\":[{\"x\":1.5}]",
                                       "\"libnetwork-setkey\"",
                                       "/var/lib/docker/c/hostname",
                                       "\"net.ipv4.ip_unprivileged_port_start\":\"0\"",
                                       "\"TERM=xterm\"",
                                       "NO_PROXY=corp,localhost"};
    static const char *const GONE[] = {"CAP_NET_RAW", "CAP_NET_ADMIN", "corp.example",
                                       "/var/lib/docker/c/hosts\"", "/var/lib/docker/c/resolv.conf"};
    cleanup_json json_t *config = edit(DOCKER, "/opt/sallyport-hook", directory_fd);
    cleanup_free char *text = dump(config);

    for (size_t i = 0; i < array_size(KEPT); i++)
        cr_assert_not_null(strstr(text, KEPT[i]), "lost: %s", KEPT[i]);
    for (size_t i = 0; i < array_size(GONE); i++)
        cr_assert_null(strstr(text, GONE[i]), "still there: %s", GONE[i]);
}

/* A bind mount that does not say how it propagates is a slave of the host's with runc and crun. */
Test(edit, bind_mounts_are_private)
{
    json_t *config = edit("{\"process\":{},\"linux\":{},\"mounts\":["
                          "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/usr\"},"
                          "{\"destination\":\"/b\",\"source\":\"/usr\",\"options\":[\"rbind\",\"ro\"]},"
                          "{\"destination\":\"/c\",\"source\":\"/usr\",\"options\":[\"rbind\",\"private\"]},"
                          "{\"destination\":\"/d\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}]}",
                          NULL, directory_fd);
    static const char *const WANTED[] = {"[\"rprivate\"]", "[\"rbind\",\"ro\",\"rprivate\"]",
                                         "[\"rbind\",\"private\"]", NULL};

    for (size_t i = 0; i < 4; i++) {
        const json_t *mount = json_array_get(json_object_get(config, "mounts"), i);
        const json_t *options = json_object_get(mount, "options");
        cleanup_free char *text = options != NULL ? json_dumps(options, JSON_COMPACT) : NULL;

        if (WANTED[i] == NULL)
            cr_assert_null(options);
        else
            cr_assert_str_eq(text, WANTED[i]);
    }
    json_decref(config);
}

/* What no rule denies crun allows. */
Test(edit, devices_are_denied_first)
{
#define DENY "{\"allow\":false,\"access\":\"rwm\"}"
#define NULL_DEVICE "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rwm\"}"
    static const struct {
        const char *os;
        const char *wanted;
    } CASES[] = {
        {"{}", "[" DENY "]"},
        {"{\"resources\":null}", "[" DENY "]"},
        {"{\"resources\":{\"devices\":[" NULL_DEVICE "]}}", "[" DENY "," NULL_DEVICE "]"},
        {"{\"resources\":{\"devices\":[" DENY "," NULL_DEVICE "]}}", "[" DENY "," NULL_DEVICE "]"},
        {"{\"resources\":{\"devices\":[{\"allow\":false,\"type\":\"c\",\"access\":\"rwm\"}]}}",
         "[" DENY ",{\"allow\":false,\"type\":\"c\",\"access\":\"rwm\"}]"},
        {"{\"resources\":{\"devices\":[{\"allow\":false,\"major\":8,\"access\":\"rwm\"}]}}",
         "[" DENY ",{\"allow\":false,\"major\":8,\"access\":\"rwm\"}]"},
        {"{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"r\"}]}}",
         "[" DENY ",{\"allow\":false,\"access\":\"r\"}]"},
    };

    for (size_t i = 0; i < array_size(CASES); i++) {
        char text[512];
        json_t *config = NULL;
        cleanup_free char *rules = NULL;

        snprintf(text, sizeof(text), "{\"process\":{},\"linux\":%s}", CASES[i].os);
        config = edit(text, NULL, directory_fd);
        rules = json_dumps(
            json_object_get(json_object_get(json_object_get(config, "linux"), "resources"), "devices"),
            JSON_COMPACT);
        cr_assert_str_eq(rules, CASES[i].wanted, "%s", CASES[i].os);
        json_decref(config);
    }
}

Test(edit, hooks_are_last_and_once)
{
    cleanup_json json_t *config = edit(PODMAN, "/opt/sallyport-hook", directory_fd);
    cleanup_json json_t *untouched = edit(PODMAN, NULL, directory_fd);
    cleanup_json json_t *before = parse(PODMAN);
    json_t *ours = json_array_get(json_object_get(json_object_get(config, "hooks"), "createRuntime"), 0);
    const char *voucher = json_string_value(json_array_get(json_object_get(ours, "env"), 0));
    cleanup_free char *hooks = NULL;

    cr_assert_not_null(voucher);
    cr_assert_eq(strncmp(voucher, VOUCHER_VARIABLE, strlen(VOUCHER_VARIABLE)), 0, "%s", voucher);
    json_object_del(ours, "env"); /* the rest does not depend on the profile */
    hooks = dump(json_object_get(config, "hooks"));
    cr_assert_str_eq(
        hooks,
        "{\"createRuntime\":[{\"path\":\"/opt/sallyport-hook\",\"args\":[\"/opt/sallyport-hook\","
        "\"--network\",\"hermes\",\"--role\",\"agent\"]}],"
        "\"poststop\":[{\"path\":\"/usr/bin/other\"},{\"path\":\"/opt/sallyport-hook\",\"args\":["
        "\"/opt/sallyport-hook\",\"--network\",\"hermes\",\"--role\",\"agent\"]}],\"createRuntime2\":[]}\n");
    cr_assert(json_equal(json_object_get(untouched, "hooks"), json_object_get(before, "hooks")));
}

Test(edit, refuses_what_it_cannot_edit)
{
    static const struct {
        const char *config;
        const char *reason;
    } BAD[] = {
        {"{\"process\":{},\"linux\":{},\"hooks\":{\"poststop\":{}}}", "hooks.poststop"},
        {"{\"process\":{},\"linux\":{},\"hooks\":[]}", "hooks"},
        {"{\"process\":{},\"linux\":{},\"mounts\":{}}", "mounts"},
        {"{\"process\":{\"env\":\"x\"},\"linux\":{}}", "env"},
        {"{\"process\":{},\"linux\":{\"seccomp\":{\"defaultAction\":7}}}", "seccomp"},
        {"{\"process\":{},\"linux\":{\"seccomp\":[]}}", "seccomp"},
    };
    static const struct selection PIN = {NULL, NULL};

    for (size_t i = 0; i < array_size(BAD); i++) {
        struct edit_request request = {.policy = &policy,
                                       .role = agent,
                                       .pin = &PIN,
                                       .hook = "/opt/sallyport-hook",
                                       .directory = directory_fd,
                                       .directory_path = directory};
        struct error err = {0};
        cleanup_json json_t *config = parse(BAD[i].config);

        cr_assert_lt(edit_config(config, &request, &err), 0, "accepted: %s", BAD[i].config);
        cr_assert_not_null(strstr(err.text, BAD[i].reason), "%s: %s", BAD[i].config, err.text);
    }
}
