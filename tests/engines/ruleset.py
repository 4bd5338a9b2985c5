#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ruleset.py save >FILE: the nftables rules of this network namespace, to the byte.
ruleset.py load COUNT <FILE: as many processes, each with these rules in a new network namespace of its own.

What nft prints and reads again is the same rules, in other expressions than Sallyport's. `load` says "loaded" when all is
so, and stays until SIGTERM; its processes are gone before it.
"""

import ctypes
import os
import signal
import socket
import struct
import sys

NFTABLES = 10
TABLE, CHAIN, RULE = 0, 3, 6  # NFT_MSG_NEW...; to ask is one more
# What is said when one is made: not what the kernel counts and numbers (linux/netfilter/nf_tables.h).
KEPT = {TABLE: (1, 2), CHAIN: (1, 3, 4, 5, 7), RULE: (1, 2, 4)}
DUMP, REQUEST, ACKNOWLEDGE, CREATE, APPEND = 0x300, 1, 4, 0x400, 0x800


def message(kind, flags, body, family=0, resource=0):
    header = struct.pack("=IHHII", 20 + len(body), kind, flags | REQUEST, 0, 0)
    return header + struct.pack("!BBH", family, 0, resource) + body


def attributes(data):
    while data:
        length, kind = struct.unpack("=HH", data[:4])
        whole = (length + 3) & ~3
        yield kind & 0x3FFF, data[:whole]
        data = data[whole:]


def messages(data):
    while data:
        length, kind = struct.unpack("=IH", data[:6])
        yield kind, data[16:length]
        data = data[(length + 3) & ~3 :]


def dump(connection, what):
    connection.send(message(NFTABLES << 8 | what + 1, DUMP, b""))
    while True:
        for kind, body in messages(connection.recv(1 << 16)):
            if kind == 3:  # NLMSG_DONE
                return
            kept = b"".join(data for number, data in attributes(body[4:]) if number in KEPT[what])
            yield message(NFTABLES << 8 | what, CREATE | (APPEND if what == RULE else 0), kept, body[0])


def save(connection):
    for what in KEPT:
        for one in dump(connection, what):
            sys.stdout.buffer.write(one)


def commit(connection, rules):
    connection.send(message(16, 0, b"", 0, NFTABLES) + rules + message(17, ACKNOWLEDGE, b"", 0, NFTABLES))
    for kind, body in messages(connection.recv(1 << 16)):
        if kind == 2 and body[:4] != bytes(4):  # NLMSG_ERROR
            sys.exit(f"ruleset.py: error {struct.unpack('=i', body[:4])[0]}")


def live(rules, parent, done):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent or libc.unshare(0x40000000) != 0:  # CLONE_NEWNET
        sys.exit("ruleset.py: no network namespace")
    with netfilter() as connection:
        commit(connection, rules)
    os.write(done, b".")
    signal.pause()


def load(count):
    rules = sys.stdin.buffer.read()
    parent = os.getpid()
    told, done = os.pipe()
    children = []
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    for _ in range(count):
        children.append(os.fork())
        if children[-1] == 0:
            live(rules, parent, done)
    os.close(done)
    for _ in range(count):
        if os.read(told, 1) == b"":
            sys.exit("ruleset.py: not all are there")
    print("loaded", flush=True)
    signal.sigwait({signal.SIGTERM})
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def netfilter():
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)


if sys.argv[1] == "save":
    with netfilter() as here:
        save(here)
else:
    load(int(sys.argv[2]))
