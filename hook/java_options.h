/* SPDX-License-Identifier: Apache-2.0
 *
 * The proxy as a Java virtual machine wants to be told of it: by system properties, since it reads none of
 * the variables that other programs share. JAVA_TOOL_OPTIONS is the one variable that every JVM reads,
 * whoever starts it (java, javac, Maven, Gradle, a program that embeds one), from Java 5 on; it costs a line
 * "Picked up JAVA_TOOL_OPTIONS: ..." on stderr. JDK_JAVA_OPTIONS would cost the same line and reaches only
 * what the `java` command of Java 9 and later starts.
 *
 * Invariant: what somebody else has put into the variable stays, in its order, ahead of our options; ours are
 * there once, however often and with whatever policies the value was merged before. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <stdbool.h>

/* Our options for the network, for the caller to free. */
int java_options_of(const struct policy *policy, char **ret, struct error *err);

/* Whether the value has options that say where a proxy is, ours or somebody else's. */
bool java_options_any(const char *options);

/* The options of `old`, a value of JAVA_TOOL_OPTIONS (or ""), that are not ours, and then those of `source`
 * that are ours: of java_options_of, or of a value that has been merged before. *ret is for the caller to
 * free. An `old` with an unmatched quote, at which a JVM refuses to start, gets none. */
int java_options_merge(const char *old, const char *source, char **ret, struct error *err);
