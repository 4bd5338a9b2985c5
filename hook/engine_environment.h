/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment that an engine starts sallyport-runtime in is the runtime's behind, handed on as it came.
 * To this program it says nothing (but to a user without root where his policies are, base/rootless.h): the C
 * library alone would read, as root, a file that TZ names. So it is set aside, and what looks into it says
 * so. */
#pragma once

/* To be called first of all in main: from then on environ(7) is empty. */
void engine_environment_set_aside(void);

/* For execve(2); environ(7), if nothing was set aside. Ends with NULL. */
char **engine_environment(void);

/* The value of the variable, NULL if it is not there. */
const char *engine_environment_get(const char *name);

/* Takes the variable, however often it is there, away from the runtime behind. */
void engine_environment_drop(const char *name);
