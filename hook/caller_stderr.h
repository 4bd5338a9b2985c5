/* SPDX-License-Identifier: Apache-2.0
 *
 * Who starts a container looks at the output of the program he has called, and crun (any stage) and Podman
 * (precreate) give their hooks /dev/null for it. The hook then writes to the standard error of its parent,
 * which is that program and waits for the hook. The log has every message anyway (base/log.h): what fails
 * here changes nothing. */
#pragma once

/* Puts the parent's standard error in the place of our own, if that is /dev/null. To be called while the
 * process still has the capabilities that it was started with: the parent's descriptors are open to its like
 * only. Ignores SIGPIPE from then on: nobody may be reading. */
void caller_stderr_adopt(void);
