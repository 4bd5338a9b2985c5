/* SPDX-License-Identifier: Apache-2.0
 *
 * A world of its own for a kernel test: the test's process gets a "host" network namespace and a mount
 * namespace with an empty /run, so that nothing of the machine is touched and everything is gone when the
 * process ends, however it ends. */
#pragma once

#include "policy/policy.h"

#include <stdint.h>
#include <sys/types.h>

/* Moves the process into its world. Called first. */
void world_enter(void);

/* The descriptor of the world's host namespace. */
int world_host(void);

/* Parses the policy or fails the test. */
void world_policy(const char *network, const char *text, struct policy *ret);

/* A new network namespace without a process. The caller closes the descriptor: that ends it. */
int world_namespace(void);

/* Runs a command line in a namespace (-1: the host's) and returns its exit status. Output is discarded. */
int world_run(int netns, const char *command) __attribute__((warn_unused_result));

/* The same, and the first line of its output. */
void world_output(int netns, const char *command, char *output, size_t size);

/* How many lines of the command's output there are. */
unsigned world_lines(int netns, const char *command);

/* A TCP server in the namespace that answers one byte to every connection. Returns its pid. */
pid_t world_serve(int netns, const char *address, uint16_t port);
void world_stop(pid_t pid);

/* Connects from the namespace and reads a byte: 0, or the errno value (ETIMEDOUT after 500 ms). */
int world_connect(int netns, const char *address, uint16_t port);

uint64_t world_microseconds(void);
