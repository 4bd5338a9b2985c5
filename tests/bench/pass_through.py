#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The two ends of tests/bench/pass_through.

pass_through.py serve ADDRESS                     at port 443: whatever comes first is answered by BYTES of nothing
pass_through.py measure NETNS PROXY CA ROUNDS     the table
"""

import ctypes
import os
import socket
import ssl
import statistics
import sys
import threading
import time

BYTES = 128 << 20
CHUNK = bytes(1 << 20)
HANDSHAKE = ("api.openai.com", "203.0.113.10")
TRANSFER = ("openrouter.ai", "203.0.113.11")
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def send_all(connection):
    with connection:
        connection.recv(65536)
        for _ in range(BYTES // len(CHUNK)):
            connection.sendall(CHUNK)


def serve(address):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((address, 443))
    listener.listen()
    while True:
        threading.Thread(target=send_all, args=(listener.accept()[0],), daemon=True).start()


class Namespaces:
    """A socket belongs to the namespace that its thread was in."""

    def __init__(self, member):
        self.host = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.member = os.open(member, os.O_RDONLY)

    def connect(self, where, address):
        if LIBC.setns(where, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            connection = socket.create_connection(address, 10)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        finally:
            LIBC.setns(self.host, CLONE_NEWNET)


def ways(namespaces, proxy):
    def direct(_name, address):
        return namespaces.connect(namespaces.host, (address, 443))

    def connect(name, _address):
        connection = namespaces.connect(namespaces.member, (proxy, 3128))
        connection.sendall(f"CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += connection.recv(1)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return connection

    def passed(_name, _address):
        return namespaces.connect(namespaces.member, (proxy, 443))

    return {"direct, from the host": direct, "CONNECT through squid": connect, "pass-through": passed}


def handshake(way, context):
    begun = time.perf_counter()
    with context.wrap_socket(way(*HANDSHAKE), server_hostname=HANDSHAKE[0]):
        return (time.perf_counter() - begun) * 1000


def transfer(way, hello):
    with way(*TRANSFER) as connection:
        connection.sendall(hello)
        begun = time.perf_counter()
        got = 0
        while more := connection.recv(1 << 20):
            got += len(more)
        assert got == BYTES, got
        return BYTES / (time.perf_counter() - begun) / 1e6


def client_hello(name):
    outgoing = ssl.MemoryBIO()
    try:
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def table(title, results, unit):
    base, tunnel = (statistics.median(values) for values in list(results.values())[:2])
    print(f"| {title} | median {unit} | 10 % to 90 % | ratio to direct | ratio to CONNECT |")
    print("|---|---|---|---|---|")
    for name, values in results.items():
        median = statistics.median(values)
        tenths = statistics.quantiles(values, n=10)
        print(f"| {name} | {median:.2f} | {tenths[0]:.2f} to {tenths[-1]:.2f} | {median / base:.2f} | {median / tunnel:.2f} |")
    print()


def measure(member, proxy, ca, rounds):
    all_ways = ways(Namespaces(member), proxy)
    context = ssl.create_default_context(cafile=ca)
    hello = client_hello(TRANSFER[0])
    handshakes = {name: [] for name in all_ways}
    transfers = {name: [] for name in all_ways}
    for count in range(-5, rounds):  # the first are not counted: names are looked up, caches are cold
        for name, way in all_ways.items():
            taken = handshake(way, context)
            if count >= 0:
                handshakes[name].append(taken)
    for count in range(-1, max(rounds // 10, 3)):
        for name, way in all_ways.items():
            rate = transfer(way, hello)
            if count >= 0:
                transfers[name].append(rate)
    table(f"TCP and TLS handshake, {rounds} each", handshakes, "ms")
    table(f"{BYTES >> 20} MiB, {max(rounds // 10, 3)} each", transfers, "MB/s")


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    measure(*sys.argv[2:5], int(sys.argv[5]))
