/* SPDX-License-Identifier: Apache-2.0
 *
 * The groups of the battery in their order, one list for the probe that tries them (probe/battery.c) and for
 * `sallyport verify`, which asks for them and misses none (cli/verify_lines.c). */
#pragma once

#define BATTERY_GROUPS(GROUP) \
    GROUP(plain)              \
    GROUP(ipv6)               \
    GROUP(raw)                \
    GROUP(abi)                \
    GROUP(uring)              \
    GROUP(namespaces)         \
    GROUP(capabilities)       \
    GROUP(bpf)                \
    GROUP(netlink)            \
    GROUP(dns)                \
    GROUP(metadata)           \
    GROUP(host)               \
    GROUP(members)            \
    GROUP(surfaces)           \
    GROUP(proxy)              \
    GROUP(sni)                \
    GROUP(arrivals)
