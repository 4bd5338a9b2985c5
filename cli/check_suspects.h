/* SPDX-License-Identifier: Apache-2.0
 *
 * When the host eats a member's packets: who could have done it, read from the host's netfilter, and the
 * command that lets them through. Only asked after a trial has failed (cli/check_uplink.c): what a chain
 * would do with a packet is not guessed here. */
#pragma once

#include "base/error.h"
#include "policy/policy.h"

/* Advises `err` with who stands in the way between members and the proxy, and with the command. In the host's
 * network namespace. */
void check_suspects(const struct policy *policy, struct error *err);
