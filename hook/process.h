/* SPDX-License-Identifier: Apache-2.0
 *
 * Which namespace a process or thread is in: by device and inode, as /proc tells. */
#pragma once

#include <sys/stat.h>

/* `process`: a number, "self", or "PID/task/TID". Returns 0 or a negative errno value. */
int process_stat_namespace(const char *process, const char *kind, struct stat *ret);
