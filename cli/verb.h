/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of the `sallyport` command, each in a file of its name, and what they share. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

#include <getopt.h>

/* A verb gets its own arguments: argv[0] is the verb. It returns 0, or a negative errno value with the error
 * set. VERB_USAGE: the arguments were wrong and the user has been told. VERB_REFUSED: the verb has answered
 * the user's question, with no: exit status 2. */
enum { VERB_USAGE = -4096, VERB_REFUSED = -4097 };

int verb_network(int argc, char **argv, struct error *err);
int verb_bundle(int argc, char **argv, struct error *err);
int verb_check(int argc, char **argv, struct error *err);
int verb_explain(int argc, char **argv, struct error *err);
int verb_install(int argc, char **argv, struct error *err);
int verb_log(int argc, char **argv, struct error *err);
int verb_proxy_config(int argc, char **argv, struct error *err);
int verb_publish(int argc, char **argv, struct error *err);
int verb_seccomp_profile(int argc, char **argv, struct error *err);
int verb_verify(int argc, char **argv, struct error *err);

/* getopt_long(3) for long options alone: '?' for one that is not among them, or has no value, which has been
 * told as verb_usage does. */
int verb_option(int argc, char **argv, const struct option *options);

/* Prints "sallyport VERB: what" and where help is found. Returns VERB_USAGE. */
int verb_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Checks the name of a network from the command line, and has messages name it from then on. */
int verb_check_network(const char *network, struct error *err);

/* The same, and loads its policy, for policy_free. */
int verb_load_policy(const char *network, struct policy *ret, struct error *err);

/* Flushes what the verb printed; a full disk or a closed pipe is an error like any other. */
int verb_flush_output(struct error *err);
