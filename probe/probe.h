/* SPDX-License-Identifier: Apache-2.0
 *
 * The escape probe: one static program that is put into a container and tries, one attempt per call, what an
 * attacker with root would try. It needs nothing of the container's file system and calls nothing of
 * Sallyport's: what it reports is what the kernel said.
 *
 * Each attempt prints one line, "NAME result=ok ..." or "NAME result=failed error=ENAME ...", the parts being
 * KEY=VALUE without spaces, and ends with one of the statuses below. "ok" means that the attempt succeeded;
 * it does not mean that anything arrived: that is for `capture` and `listen` to say, at the far end. */
#pragma once

#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

enum { /* exit statuses */
       PROBE_OK = 0,
       PROBE_FAILED = 1, /* the kernel or the far end said no */
       PROBE_USAGE = 2,  /* nothing was tried */
};

/* The number of elements; for arrays only, never for pointers. */
#define array_size(array) (sizeof(array) / sizeof((array)[0]))

/* The text in front of a sender's --marker in every payload: what `capture` looks for. */
#define PROBE_MAGIC "sallyport-probe:"

/* Command lines (arguments.c): options are taken out by name, what is left are the operands. */
struct arguments {
    int count;
    char **values;
};

/* The value of `--name VALUE`, or `fallback`; both are removed from the arguments. */
const char *arguments_take(struct arguments *arguments, const char *name, const char *fallback);

/* The same as a number (decimal, or hexadecimal with 0x). Anything else ends the program with usage. */
uint64_t arguments_take_number(struct arguments *arguments, const char *name, uint64_t fallback);

/* Whether `--name` is there; it is removed. */
bool arguments_take_flag(struct arguments *arguments, const char *name);

/* The operands, when all options are taken: ends the program with usage unless there are `count`. */
char **arguments_operands(struct arguments *arguments, int count);

/* Strict conversions: anything malformed ends the program with usage. */
uint64_t parse_number(const char *text);
void parse_mac(const char *text, uint8_t ret[6]);
struct in_addr parse_ipv4(const char *text);
struct in6_addr parse_ipv6(const char *text);

/* An address of any family as connect(2) takes it. */
union endpoint {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    struct sockaddr_ll link;
};

/* An address of either family with a port. IPv6 may have "%INTERFACE". Returns the length of the address. */
socklen_t parse_endpoint(const char *address, const char *port, union endpoint *ret);

/* Says why nothing can be tried, and ends the program. */
_Noreturn void usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Results (report.c). Every attempt begins and ends with one of these. */
struct timespec attempt_begin(void);
double attempt_milliseconds(const struct timespec *begun);

/* Prints the line; `error` is an errno value or 0 for success. `details` is more KEY=VALUE, NULL for none.
 * Returns the exit status. */
int report(const char *name, int error, const struct timespec *begun, const char *details);

/* Runs the attempt in a child, because the answer may be a deadly signal: returns 0, an errno value, or the
 * negative number of the signal. `attempt` returns 0 or an errno value. */
int attempt_in_child(int (*attempt)(void *data), void *data);

/* Everything that `probe` can do; each prints its line and returns the exit status. */
int probe_tcp(struct arguments *arguments);
int probe_ports(struct arguments *arguments);
int probe_udp(struct arguments *arguments);
int probe_icmp(struct arguments *arguments);
int probe_flood(struct arguments *arguments);
int probe_listen(struct arguments *arguments);
int probe_capture(struct arguments *arguments);
int probe_packet(struct arguments *arguments);
int probe_raw(struct arguments *arguments);
int probe_socket(struct arguments *arguments);
int probe_int80_socket(struct arguments *arguments);
int probe_int80_socketcall(struct arguments *arguments);
int probe_x32_socket(struct arguments *arguments);
int probe_io_uring_socket(struct arguments *arguments);
int probe_unshare(struct arguments *arguments);
int probe_setns(struct arguments *arguments);
int probe_clone(struct arguments *arguments);
int probe_clone3(struct arguments *arguments);
int probe_links(struct arguments *arguments);
int probe_link_delete(struct arguments *arguments);
int probe_link_up(struct arguments *arguments);
int probe_link_address(struct arguments *arguments);
int probe_link_macvlan(struct arguments *arguments);
int probe_nft_flush(struct arguments *arguments);
int probe_capability(struct arguments *arguments);
int probe_battery(struct arguments *arguments);
