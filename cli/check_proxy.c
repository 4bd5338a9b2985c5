/* SPDX-License-Identifier: Apache-2.0
 *
 * The squid of a network whose proxy is on this host: is its file what the policy makes, does it run and
 * listen, and does it enforce. The last is asked of squid itself, from the one address of the network that no
 * role has, the host's own: whoever is let through from there, everybody is.
 *
 * The name that is asked for does not exist (RFC 2606), and a squid that enforces does not even look it up.
 */
#include "base/cleanup.h"
#include "cli/check.h"
#include "cli/connections.h"
#include "cli/proxy_check.h"
#include "cli/proxy_install.h"
#include "cli/proxy_process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define NOBODYS_NAME "sallyport-check.invalid:443"

enum { ANSWER_SECONDS = 5 }; /* a squid that looks a name up first may take its time */

static int connect_to_proxy(const struct policy *policy, int *ret_fd, struct error *err)
{
    const struct sockaddr_in from = check_address(policy->host_address, 0);
    const struct sockaddr_in to = check_address(policy->proxy_address, policy->proxy_port);
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
    int result = connect_to_proxy(policy, &fd, err);

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

/* How a person starts the network's squid. */
static const char *start_command(const struct policy *policy, const char *path, char *text, size_t size)
{
    if (access("/run/systemd/system", F_OK) == 0)
        snprintf(text, size, "`systemctl enable --now sallyport-squid@%s`", policy->network);
    else
        snprintf(text, size, "`squid -f %s`", path);
    return text;
}

static int look_at_squid(const struct policy *policy, const char *path, struct proxy_process *squid,
                         struct error *err)
{
    uint32_t listener = 0;
    char address[16];
    char command[PATH_MAX + 64];
    int result = proxy_process_find(&proxy_squid, policy->network, path, squid, err);

    if (result < 0)
        return result;
    start_command(policy, path, command, sizeof(command));
    if (squid->pidfd < 0) {
        error_set(err, 0, "none runs, so no member gets out");
        return error_advise(err, "%s", command);
    }
    result = connections_listener(policy->proxy_address, policy->proxy_port, &listener, err);
    if (result == 0 && listener == 0) {
        error_set(err, 0, "process %d does not listen at %s:%u", squid->pid,
                  policy_format_address(policy->proxy_address, address), policy->proxy_port);
        return error_advise(
            err, "look into /var/log/squid/sallyport-%s.cache, end it (`kill %d`) and start it: %s",
            policy->network, squid->pid, command);
    }
    return result < 0 ? result : check_enforcing(policy, path, err);
}

/* Of a network that is up: any other has no address for squid yet. */
static void check_running(struct checks *checks, const struct policy *policy, const char *path)
{
    struct proxy_process squid = {.pidfd = -1};
    struct error err = {0};
    char what[64];
    char text[64];
    int result = look_at_squid(policy, path, &squid, &err);

    snprintf(what, sizeof(what), "squid of %s", policy->network);
    snprintf(text, sizeof(text), "process %d enforces", squid.pid);
    check_add(checks, result < 0 ? CHECK_FAILED : CHECK_OK, what, result < 0 ? err.text : text);
    proxy_process_close(&squid);
}

void check_proxy(struct checks *checks, const struct check_network *network)
{
    const struct policy *policy = &network->policy;
    struct error err = {0};
    char path[PATH_MAX];
    char what[64];
    int result = 0;

    snprintf(what, sizeof(what), "squid of %s", policy->network);
    if (policy->proxy_at == POLICY_PROXY_AT_MEMBER) {
        check_add(checks, CHECK_NOTE, what,
                  "at a member: whether it enforces is not seen from here but by `sallyport verify`");
        return;
    }
    if (!proxy_present(&proxy_squid)) {
        check_add(checks, network->up ? CHECK_FAILED : CHECK_WARNING, what,
                  "/usr/sbin/squid is not there: `apt install squid-openssl`, or squid");
        return;
    }
    result = proxy_install_look(policy, &proxy_squid, path, &err);
    snprintf(what, sizeof(what), "squid's file of %s", policy->network);
    check_add_result(checks, network->up ? CHECK_FAILED : CHECK_WARNING, what, result, &err);
    if (network->up)
        check_running(checks, policy, path);
}
