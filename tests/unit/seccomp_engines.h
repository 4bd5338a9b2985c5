/* SPDX-License-Identifier: Apache-2.0
 *
 * What engines and runtimes make of a profile: Docker's and Podman's format to OCI for a set of capabilities,
 * and OCI to BPF by libseccomp in the way of runc and of crun. */
#pragma once

#include <jansson.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

enum engine_runtime {
    ENGINE_CRUN, /* one chain of comparisons; also runc before 1.2 */
    ENGINE_RUNC, /* a binary tree of numbers where there are many rules: runc 1.2 and later */
    ENGINE_RUNTIMES,
};

/* The default profiles as found on the machine. They fail the test if the file is not there:
 * tests/data/profiles/ unpack gets them. */
json_t *engine_load_docker(void);
json_t *engine_load_containers_common(void);

/* The engine's format made OCI for a container with these capabilities (NULL-terminated) on the architecture
 * ("amd64", "arm64"). */
json_t *engine_to_oci(const json_t *profile, const char *const *capabilities, const char *architecture);

/* Whether an OCI profile, or none (NULL), lets through what it does not mention. */
bool engine_allows_by_default(const json_t *profile);

/* Compiles an OCI profile as the runtime would on a machine whose native ABI is `native`. Release with
 * engine_program_free. Returns NULL if libseccomp or the runtime would refuse it. */
struct sock_fprog *engine_compile(const json_t *profile, enum engine_runtime runtime, uint32_t native);

void engine_program_free(struct sock_fprog *program);
