/* SPDX-License-Identifier: Apache-2.0
 *
 * What every scenario is played on: a machine of its own (tests/engines/machine) with two policies and two
 * bundles, a process that waits as a container's init does, and a picture of everything that a program could
 * have left behind. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SCENE_NETWORK "spfault"
#define SCENE_MEMBERS "spfaultm" /* the network whose proxy is a member */
#define SCENE_DIRECTORY "/etc/sallyport/faults"

/* Makes policies and bundles. `programs`: the directory of the built programs. */
void scene_set_up(const char *programs);

const char *scene_program(const char *name);

/* Replaces the policy of SCENE_NETWORK: by one that allows more, or by the first one again. */
void scene_change_policy(bool more);

/* Runs one of the programs, which must succeed. `words` ends with NULL and begins with the program's name. */
void scene_run(const char *const words[], int input);

/* The same; returns whether it succeeded. */
bool scene_try(const char *const words[], int input);

/* Runs a command line of bash, with its standard output for the caller to free. */
char *scene_shell(const char *command);

/* The bundle of a container that a real runtime can run: made anew. `runtime` is runc or crun. */
void scene_make_runnable(void);

struct init {
    pid_t pid;
    int hold;  /* it ends when a byte comes through here */
    int netns; /* its network namespace; -1 once it was closed */
};

/* A process in new network, pid, mount and ipc namespaces that waits in a read(2). */
void init_start(struct init *init);

/* Whether somebody left it stopped or traced. */
bool init_is_held(const struct init *init);

/* Lets it go on; returns whether it then ended as it should. */
bool init_finish(struct init *init);

/* Ends it, if it has not ended. */
void init_kill(struct init *init);

/* A state document for standard input. The caller closes the descriptor. */
int scene_state(const char *id, const char *status, pid_t pid, const char *bundle);

/* Reads a whole file, which must be there. The caller frees it. */
char *scene_read(const char *path);
char *scene_read_fd(int fd);

/* Everything of the machine that a program could have changed, as text, a thing a line. The caller frees it.
 */
char *scene_picture(void);

/* Waits until the machine looks as in `picture`, 10 s at most: what belongs to a namespace goes a moment
 * after it. On failure says on standard output what differs. */
bool scene_settles(const char *picture);

__attribute__((noreturn, format(printf, 1, 2))) void scene_die(const char *format, ...);
