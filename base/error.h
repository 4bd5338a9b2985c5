/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors. Every function that can fail takes a `struct error *` as its last argument and returns a
 * negative errno value. The message is made where the context is known and reads "what: why; what to
 * do"; who prints it adds the network, the role and the container (base/log.h). No allocation, so an
 * error can always be reported. */
#pragma once

struct error {
    int number;      /* positive errno value, 0 when the cause is not a system call */
    char text[1024]; /* "what: why", never with a newline */
};

/* Sets the error to the formatted text, followed by ": " and the description of `number` if `number`
 * is not 0. Control characters are replaced, so that input quoted in a message cannot forge a log line.
 *
 * Returns -number, or -EINVAL if `number` is 0: `return error_set(err, errno, "open %s", path);` */
int error_set(struct error *err, int number, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Appends "; " and what the reader should do. Returns the same value as error_set did. */
int error_advise(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " in front of the text. Returns the same value as error_set did. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#if defined(__clang_analyzer__) || defined(STATIC_ANALYSIS)
/* An analyser sees one source file at a time: that these return a negative value it has to be told. */
#define error_is_negative(call)     \
    ({                              \
        int result_ = (call);       \
        result_ < 0 ? result_ : -1; \
    })

#define error_set(...) error_is_negative(error_set(__VA_ARGS__))
#define error_advise(...) error_is_negative(error_advise(__VA_ARGS__))
#define error_prefix(...) error_is_negative(error_prefix(__VA_ARGS__))
#endif
