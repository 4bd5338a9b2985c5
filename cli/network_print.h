/* SPDX-License-Identifier: Apache-2.0
 *
 * A network on paper: for a person at 3 a.m. (plain columns, under 100 characters where containers have no
 * names, no colour), for a program
 * (JSON, whose keys stay), for graphviz. */
#pragma once

#include "cli/network_view.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* Members, what each role reaches, and what is not as it should be. */
void network_print_text(const struct network_view *view, FILE *out);

/* One line of `list`, and before the first one its heading. */
void network_print_list_heading(FILE *out);
void network_print_list_line(const struct network_view *view, FILE *out);

/* The findings, each "NETWORK: text" in `list`; `network` NULL: without it. */
void network_print_findings(const struct findings *findings, const char *network, FILE *out);

/* The reach graph: roles, the proxy, the hosts behind it, the host's published ports. A role that nobody has
 * now is dashed. */
void network_print_dot(const struct network_view *view, FILE *out);

/* The document of `show --json`, as `sallyport network --help` lists its keys. A new reference, NULL on lack
 * of memory. */
json_t *network_json(const struct network_view *view);

/* One element of `list --json`: the same without members and roles, with a count of members. */
json_t *network_json_summary(const struct network_view *view);

/* Text for a column, made in `buffer`: "1.5 KiB"; "12345", "123k"; "4d 3h", "59s". Units are cut off, not
 * rounded up: nobody has sent more than is shown. */
enum { NETWORK_AMOUNT_SIZE = 24 };
const char *network_format_bytes(uint64_t bytes, char buffer[NETWORK_AMOUNT_SIZE]);
const char *network_format_duration(uint64_t seconds, char buffer[NETWORK_AMOUNT_SIZE]);
const char *network_format_count(uint64_t count, char buffer[NETWORK_AMOUNT_SIZE]);
