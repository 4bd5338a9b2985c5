/* SPDX-License-Identifier: Apache-2.0
 *
 * The programs of a network whose proxy is on this host: is the file what the policy makes, do they run and
 * listen, and does squid enforce. The last is asked of squid itself, from the one address of the network that
 * no role has, the host's own: whoever is let through from there, everybody is. The pass-through gives nobody
 * an answer: what it enforces, `sallyport verify` sees.
 *
 * The name that is asked for does not exist (RFC 2606), and a squid that enforces does not even look it up.
 */
#include "base/cleanup.h"
#include "cli/check.h"
#include "cli/connections.h"
#include "cli/proxy_check.h"
#include "cli/proxy_install.h"
#include "cli/proxy_process.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define NOBODYS_NAME "sallyport-check.invalid:443"

enum { ANSWER_SECONDS = 5 }; /* a squid that looks a name up first may take its time */

static int connect_to_proxy(const struct policy *policy, uint16_t port, int *ret_fd, struct error *err)
{
    const struct sockaddr_in from = check_address(policy->host_address, 0);
    const struct sockaddr_in to = check_address(policy->proxy_address, port);
    const struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
        bind(fd, (const void *)&from, sizeof(from)) < 0 || connect(fd, (const void *)&to, sizeof(to)) < 0)
        return error_set(err, errno == EINPROGRESS ? ETIMEDOUT : errno,
                         "connect to it from the host's own address");
    *ret_fd = take_fd(&fd);
    return 0;
}

/* The status of the answer to a CONNECT, 0 if there is none. */
static int ask(const struct policy *policy, int *ret_status, struct error *err)
{
    static const char REQUEST[] = "CONNECT " NOBODYS_NAME " HTTP/1.1\r\nHost: " NOBODYS_NAME "\r\n\r\n";
    cleanup_close int fd = -1;
    char answer[64] = "";
    int status = 0;
    int result = connect_to_proxy(policy, policy->proxy_port, &fd, err);

    if (result < 0)
        return result;
    if (send(fd, REQUEST, strlen(REQUEST), MSG_NOSIGNAL) != (ssize_t)strlen(REQUEST))
        return error_set(err, errno, "ask it for " NOBODYS_NAME);
    /* Squid sends its answer's head at once; a proxy that does not is none that we know. */
    if (recv(fd, answer, sizeof(answer) - 1, 0) <= 0 || sscanf(answer, "HTTP/1.%*1d %3d", &status) != 1)
        status = 0;
    *ret_status = status;
    return 0;
}

static int check_enforcing(const struct policy *policy, const char *path, struct error *err)
{
    int status = 0;
    int result = ask(policy, &status, err);

    if (result == 0 && status == 403)
        return 0;
    if (result == 0 && status != 0) {
        error_set(err, 0,
                  "it answers CONNECT " NOBODYS_NAME
                  " from the host's own address with %d and not 403, so it "
                  "does not go by the policy",
                  status);
        return error_advise(err, "let it read its file: `squid -k reconfigure -f %s`", path);
    }
    if (result == 0)
        error_set(err, 0, "it gives no answer to CONNECT " NOBODYS_NAME " from the host's own address");
    return error_advise(err, "end it (`squid -k kill -f %s`) and start it again", path);
}

static int check_listening(const struct policy *policy, const struct proxy_process *process,
                           const char *command, struct error *err)
{
    const struct proxy_kind *kind = process->kind;
    uint16_t ports[POLICY_PROXY_PORTS_MAX];
    size_t count = kind->ports(policy, ports);
    char address[16];

    for (size_t i = 0; i < count; i++) {
        uint32_t listener = 0;
        int result = connections_listener(policy->proxy_address, ports[i], &listener, err);

        if (result < 0)
            return result;
        if (listener != 0)
            continue;
        error_set(err, 0, "process %d does not listen at %s:%u", process->pid,
                  policy_format_address(policy->proxy_address, address), ports[i]);
        return error_advise(err, "look into %s%s%s, end it (`kill %d`) and start it: %s", kind->log_before,
                            policy->network, kind->log_after, process->pid, command);
    }
    return 0;
}

/* That nothing of ours listens does not mean that nobody does: who has the port of every address, as the
 * squid that a distribution starts, is at the proxy's as well, and keeps ours from it. */
static int refuse_stopped(const struct policy *policy, const struct proxy_kind *kind, const char *command,
                          struct error *err)
{
    uint16_t ports[POLICY_PROXY_PORTS_MAX];
    size_t count = kind->ports(policy, ports);
    char address[16];

    for (size_t i = 0; i < count; i++) {
        cleanup_close int fd = -1;

        if (connect_to_proxy(policy, ports[i], &fd, err) < 0)
            continue;
        error_set(err, 0,
                  "none runs, but another program listens at %s:%u, or at that port of every address, and "
                  "members get to it",
                  policy_format_address(policy->proxy_address, address), ports[i]);
        return error_advise(err, "end it (`ss -Hltnp sport = %u` names it), then %s", ports[i], command);
    }
    error_set(err, 0, "none runs, so no member gets out%s",
              kind == &proxy_squid ? "" : " by a program that knows no proxy");
    return error_advise(err, "%s", command);
}

static int look_at(const struct policy *policy, const struct proxy_kind *kind, const char *path,
                   struct proxy_process *process, struct error *err)
{
    char command[PATH_MAX + 64];
    int result = proxy_process_find(kind, policy->network, path, process, err);

    if (result < 0)
        return result;
    proxy_kind_start(kind, policy->network, path, command, sizeof(command));
    if (process->pidfd < 0)
        return refuse_stopped(policy, kind, command, err);
    result = check_listening(policy, process, command, err);
    return result < 0 || kind != &proxy_squid ? result : check_enforcing(policy, path, err);
}

/* Of a network that is up: any other has no address for it yet. */
static void check_running(struct checks *checks, const struct policy *policy, const struct proxy_kind *kind,
                          const char *path)
{
    struct proxy_process process = {.kind = kind, .pidfd = -1};
    struct error err = {0};
    char what[64];
    char text[64];
    int result = look_at(policy, kind, path, &process, &err);

    snprintf(what, sizeof(what), "%s of %s", kind->name, policy->network);
    snprintf(text, sizeof(text), "process %d %s", process.pid, kind == &proxy_squid ? "enforces" : "listens");
    check_add(checks, result < 0 ? CHECK_FAILED : CHECK_OK, what, result < 0 ? err.text : text);
    proxy_process_close(&process);
}

static void check_kind(struct checks *checks, const struct check_network *network,
                       const struct proxy_kind *kind)
{
    const struct policy *policy = &network->policy;
    const enum check_level bad = network->up ? CHECK_FAILED : CHECK_WARNING;
    struct error err = {0};
    char path[PATH_MAX];
    char what[64];
    char text[128];
    int result = 0;

    snprintf(what, sizeof(what), "%s of %s", kind->name, policy->network);
    if (policy->proxy_at == POLICY_PROXY_AT_MEMBER) {
        check_add(checks, CHECK_NOTE, what,
                  "at a member: whether it enforces is not seen from here but by `sallyport verify`");
        return;
    }
    if (!proxy_present(kind)) {
        snprintf(text, sizeof(text), "%s is not there: `apt install %s", kind->program, kind->package);
        check_add(checks, bad, what, text);
        return;
    }
    result = proxy_install_look(policy, kind, path, &err);
    snprintf(what, sizeof(what), "%s's file of %s", kind->name, policy->network);
    check_add_result(checks, bad, what, result, &err);
    if (network->up)
        check_running(checks, policy, kind, path);
}

void check_proxy(struct checks *checks, const struct check_network *network)
{
    for (size_t i = 0; i < PROXY_KINDS; i++)
        if (proxy_kinds[i]->wanted(&network->policy))
            check_kind(checks, network, proxy_kinds[i]);
}
