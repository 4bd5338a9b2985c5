/* SPDX-License-Identifier: Apache-2.0
 *
 * Who on the host drops what members send to the proxy, in words, and the command that lets it through: in
 * those of the firewall that people configure here where there is one (ufw, firewalld). */
#pragma once

#include "base/error.h"
#include "netns/nft_trace.h"
#include "policy/policy.h"

/* Advises `err`. `port`: the proxy's that was tried. `drop`: what the kernel told of a packet of the trial;
 * NULL if nftables did not drop it. */
void check_advise_firewall(const struct policy *policy, uint16_t port, const struct nft_drop *drop,
                           struct error *err);
