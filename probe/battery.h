/* SPDX-License-Identifier: Apache-2.0
 *
 * The battery: every way out that is known, tried one after the other, one line of JSON for each.
 *
 * Invariant: nothing is taken for a wall that was none. An attempt says "closed" only when the kernel, a
 * filter or the far end refused it; where nothing could be tried (the kernel has no such family, no target
 * was given) it says "impossible" and why. What is sent and refused by nobody, a datagram or the first packet
 * of a connection, is "open", whether or not anything answered. An attempt that did not come to an end of its
 * own has "failed", and proves nothing.
 *
 * Every attempt runs in a child with a time limit: a filter may kill it, and then that is the answer. */
#pragma once

#include "probe/groups.h"
#include "probe/probe.h"

#include <stddef.h>
#include <stdint.h>

enum { BATTERY_LIST_MAX = 128, BATTERY_TEXT_MAX = 192 };

/* "Either" is only ever expected: the policy says nothing of it, and what was seen is for people to know. */
enum seen { SEEN_CLOSED, SEEN_OPEN, SEEN_IMPOSSIBLE, SEEN_FAILED, SEEN_EITHER };

/* The values of a key that may be repeated. */
struct battery_list {
    const char *values[BATTERY_LIST_MAX];
    unsigned count;
};

/* Targets, as the caller found them from outside. A key that was not given is NULL or an empty list. */
struct battery {
    struct battery_list only, proxy, sni, http, subnet, uplink, host, far, open, closed, allowed, direct,
        direct_other, denied, inward, other, listener, marker, nested, own_link;
    const char *group;   /* the group being tried */
    const char *link;    /* the first link that is up and not a loopback, NULL if there is none */
    unsigned number;     /* of the attempt, from 1 */
    struct answer *said; /* shared with the attempt's child */
};

struct answer {
    enum seen saw;
    char detail[BATTERY_TEXT_MAX];
};

struct attempt {
    const char *name;
    const char *tried;
    enum seen expect;
    /* Runs in the child. Says what was seen by one of the functions below. */
    void (*run)(const struct battery *battery, const void *data, struct answer *ret);
    const void *data;
    unsigned limit; /* seconds; 0 is the default of one */
};

/* Makes the attempt and prints its line. */
void battery_try(struct battery *battery, const struct attempt *attempt);

/* The line of an attempt that cannot be made. `name` is of the attempt, `why` the reason. */
void battery_impossible(struct battery *battery, const char *name, const char *tried, const char *why);

/* "MARKER-NNN" of this attempt, NNN being the number of its line; static storage. The other is of the attempt
 * that is to be made next. */
const char *battery_marker(const struct battery *battery);
const char *battery_next_marker(const struct battery *battery);

/* What was seen: text as printf(3) takes it. */
void answer_say(struct answer *ret, enum seen saw, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Of several answers to one question: open says more than failed, that more than closed, and that more than
 * impossible. */
void answer_keep_best(struct answer *best, const struct answer *seen);

/* 0 is open, an errno value closed; those that say that the kernel has no such thing are impossible, and
 * those that say that it has no room for it now are a failure. */
void answer_error(struct answer *ret, int error);

/* The same of connect(2): ETIMEDOUT is no refusal. Something may have got out. */
void answer_connect_error(struct answer *ret, int error);

/* The data of an attempt that is a call with 0 or an errno value for an answer (attempt_in_child's kind). */
struct call {
    int (*function)(void *data);
    const void *data;
};
void battery_run_call(const struct battery *battery, const void *data, struct answer *ret);

/* Ways to send (battery_send.c): how the socket is made and what is done to it first. */
struct way {
    const char *name;
    int type;
    int protocol;
    int (*prepare)(int fd,
                   const struct battery *battery); /* 0 or an errno value: ENODEV is no link; may be NULL */
};

extern const struct way WAY_TCP;
extern const struct way WAY_UDP;

/* Tries to reach the port. With `expect` open nothing is sent, only connected. `prefix` of the name may be
 * NULL. */
void battery_send(struct battery *battery, const struct way *way, const char *address, uint16_t port,
                  enum seen expect);

/* By TCP and by UDP; both are expected to be closed. */
void battery_send_both(struct battery *battery, const char *address, uint16_t port);

/* Binds the socket to the link: a `prepare` of ways. */
int battery_bind_to_link(int fd, const struct battery *battery);

/* The same: marks what the socket sends. Policy routing may have another route for a mark. */
int battery_mark(int fd, const struct battery *battery);

/* Sets a socket option to 1. Returns 0 or an errno value. */
int battery_set_option(int fd, int level, int option);

/* The same for "ADDRESS:PORT" or "[ADDRESS]:PORT". */
void battery_send_text(struct battery *battery, const struct way *way, const char *text, enum seen expect);

enum { BATTERY_LINK_ADDRESS_MAX = 64 };

/* "ADDRESS%LINK", for an address that means something on a link only. Returns false where there is no link;
 * the line that says so is printed then. */
bool battery_link_address(struct battery *battery, const char *address, char ret[BATTERY_LINK_ADDRESS_MAX]);

/* Splits "HOST:PORT" or "[ADDRESS]:PORT"; ends the program with usage if it is malformed. */
uint16_t battery_split(const char *text, char *ret_host, size_t size);

/* Connects within the time limit, which is longer where that is expected to be open. Returns a descriptor or
 * a negative errno value. */
int battery_connect(const char *address, uint16_t port, enum seen expect);

/* Waits for the descriptor. Returns whether it is ready. */
bool battery_wait(int fd, short events, int milliseconds);

/* Executes a file that has the capability (battery_files.c). */
void battery_file_capability(struct battery *battery, const char *capability, unsigned number);

/* Makes devices and opens them (battery_files.c). */
void battery_devices(struct battery *battery);

/* A group calls battery_try for each of its attempts. */
#define GROUP(name) void battery_##name(struct battery *battery);
BATTERY_GROUPS(GROUP)
#undef GROUP
