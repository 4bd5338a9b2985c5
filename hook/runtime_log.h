/* SPDX-License-Identifier: Apache-2.0
 *
 * Our errors where an engine looks for the runtime's own. dockerd, containerd and conmon hand the runtime a
 * file by --log and print its last error from there; without it a user reads "unknown error".
 *
 * Invariant: nothing here makes the program fail, and one error is one line of the file. */
#pragma once

#include "hook/command_line.h"

/* Appends the line as an error to the log of the command line, in the words of runc's logger (logrus): as
 * JSON with --log-format json, else as text. The file is made with mode 0644, as runc does, but no symbolic
 * link is followed. crun's `file:/PATH` is that path.
 *
 * Returns 0, also where no log was asked for, or a negative errno value (-ENOTSUP: crun's syslog: and
 * journald:) that a caller may ignore. */
int runtime_log_error(const struct command_line *command, const char *line);
