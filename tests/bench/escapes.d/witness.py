#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes down what arrives in the network namespace that it runs in: a leak is decided here, not by the probe.

witness.py FILE PLACE MARKER [everything]

Raw sockets see what the kernel hands to a local program, after every filter on its way, whether or not a port is open.
Each attempt of the battery that arrives is a line "PLACE MARKER-NNN" in FILE, once. The marker is known by what stands
around it: the probe's own word, or the length bytes of a DNS name; to a proxy that refuses it, a name is only text. With
"everything" it counts anywhere: where only what has left the machine arrives.

"PLACE ready" is written when it listens. A datagram with the marker and number 000 is answered by "PLACE end", after all
that came before it.
"""

import re
import select
import socket
import struct
import sys

PROTOCOLS = [socket.IPPROTO_TCP, socket.IPPROTO_UDP, 33, 132, 136]  # DCCP, SCTP, UDP-Lite
GROUPS4 = ["224.0.0.251", "239.255.255.250"]
GROUPS6 = ["ff02::1", "ff02::2", "ff02::fb"]
NEXT_LABEL = r"[\x07\x08]"  # of "battery.example" and "attacker.example", as DNS writes them


def open_sockets():
    """One for each protocol and family, a member of the groups on every link, as a host with such services is."""
    sockets = []
    for protocol in PROTOCOLS:
        for family in (socket.AF_INET, socket.AF_INET6):
            sockets.append(socket.socket(family, socket.SOCK_RAW, protocol))
            sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    for index, name in socket.if_nameindex():
        for text in GROUPS4 if name != "lo" else []:
            request = struct.pack("4s4si", socket.inet_aton(text), bytes(4), index)
            join(sockets[0], socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        for text in GROUPS6 if name != "lo" else []:
            request = socket.inet_pton(socket.AF_INET6, text) + struct.pack("i", index)
            join(sockets[1], socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    return sockets


def join(joined, level, option, request):
    try:
        joined.setsockopt(level, option, request)
    except OSError:
        pass  # a link that has no such addresses, or is a member already


def drain(sockets, pattern):
    """The markers of all that has come by now."""
    found = set()
    for one in sockets:
        try:
            while True:
                data = one.recv(1 << 16, socket.MSG_DONTWAIT)
                found |= {match[match.lastindex].decode() for match in pattern.finditer(data)}
        except BlockingIOError:
            continue
    return found


def main():
    path, place, marker, *everything = sys.argv[1:]
    text = rf"({re.escape(marker)}-[0-9]{{3}})"
    pattern = text if everything else rf"sallyport-probe:{text}|[\x01-\x3f]{text}(?={NEXT_LABEL})"
    last = f"{marker}-000"
    sockets = open_sockets()
    seen = {last}
    with open(path, "a", encoding="ascii", buffering=1) as file:
        print(place, "ready", file=file)
        while True:
            select.select(sockets, [], [])
            markers = drain(sockets, re.compile(pattern.encode()))
            for one in sorted(markers - seen):
                print(place, one, file=file)
            if last in markers:
                print(place, "end", file=file)
            seen |= markers


main()
