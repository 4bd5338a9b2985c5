#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The servers of the tests' internet: TLS, plain HTTP and DNS on every address of the namespace they run in.

internet.py DIRECTORY [PORT...]

Reads DIRECTORY/server.pem (certificate and key) and DIRECTORY/zone, whose lines are "NAME ANSWER...": an ANSWER is
one or more addresses with commas between them, or "-" for a name that does not exist. Several answers are given in
turn, one for each query. Ports 443, 8443 and those named speak TLS, port 80 plain HTTP, port 53 DNS over UDP.

What arrives is written down before it is answered: DIRECTORY/arrivals has "ADDRESS PORT FROM" for each
connection, DIRECTORY/queries has "NAME TYPE" for each question. DIRECTORY/ready appears when all ports are open.
"""

import collections
import ipaddress
import os
import socket
import ssl
import struct
import sys
import threading

TLS_PORTS = [443, 8443]
ALIVE_SECONDS = 20


def plain(address):
    """An IPv4 address as such, where a dual-stack socket shows it as ::ffff:1.2.3.4."""
    parsed = ipaddress.ip_address(address.split("%")[0])
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


class Journal:
    """A file that gets whole lines, each one on disk before the writer goes on."""

    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, line):
        os.write(self.file, (line + "\n").encode())


class Zone:
    def __init__(self, path):
        self.answers = {}
        self.asked = collections.Counter()
        with open(path, encoding="ascii") as lines:
            for line in lines:
                name, *answers = line.split()
                self.answers[name.lower()] = answers

    def lookup(self, name, kind):
        """The addresses of the record type, or None if the name does not exist (now)."""
        answers = self.answers.get(name)
        if answers is None:
            return None
        answer = answers[self.asked[name, kind] % len(answers)]
        self.asked[name, kind] += 1
        if answer == "-":
            return None
        version = {1: 4, 28: 6}.get(kind)
        addresses = [ipaddress.ip_address(text) for text in answer.split(",")]
        return [address for address in addresses if address.version == version]


def reply_to(query, zone, journal):
    """The reply to a DNS query of one question; every answer may be kept for 0 seconds."""
    labels, at = [], 12
    while query[at] != 0:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    kind, _ = struct.unpack_from("!HH", query, at + 1)
    question = query[12 : at + 5]
    name = ".".join(labels).lower()
    journal.write(f"{name} {kind}")
    addresses = zone.lookup(name, kind)
    records = b"".join(
        struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(address.packed)) + address.packed for address in addresses or []
    )
    flags = 0x8180 | (3 if addresses is None else 0)
    return query[:2] + struct.pack("!HHHHH", flags, 1, len(addresses or []), 0, 0) + question + records


def serve_dns(listener, zone, journal):
    while True:
        query, ancillary, _, peer = listener.recvmsg(2048, 256)
        try:
            # The reply has to come from the address that was asked, one of many here.
            listener.sendmsg([reply_to(query, zone, journal)], ancillary, 0, peer)
        except (IndexError, struct.error, OSError) as error:
            journal.write(f"error {error}")


def answer(connection, context):
    names = []
    try:
        with connection:
            connection.settimeout(ALIVE_SECONDS)
            if context is not None:
                connection = context(connection, names)
            request = b""
            while b"\r\n\r\n" not in request:
                more = connection.recv(4096)
                if not more:
                    return
                request += more
            body = f"hello from {names[0] if names else 'port 80'}\n".encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + body)
            connection.close()
    except OSError:
        pass  # the other side's business: it is written down that it was here


def serve(listener, context, journal):
    while True:
        connection, peer = listener.accept()
        address, port = connection.getsockname()[:2]
        journal.write(f"{plain(address)} {port} {plain(peer[0])}")
        threading.Thread(target=answer, args=(connection, context), daemon=True).start()


def tls_with(certificate):
    def wrap(connection, names):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.minimum_version = ssl.TLSVersion.TLSv1  # all there are
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.sni_callback = lambda _socket, name, _context: names.append(name)
        return context.wrap_socket(connection, server_side=True)

    return wrap


def open_tcp(port):
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # A pass-through may have the port at an address of its own.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("::", port))
    listener.listen(256)
    return listener


def open_dns():
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    listener.bind(("0.0.0.0", 53))
    return listener


def main():
    directory = sys.argv[1]
    arrivals = Journal(f"{directory}/arrivals")
    queries = Journal(f"{directory}/queries")
    tls = tls_with(f"{directory}/server.pem")
    jobs = [(serve, open_tcp(port), tls, arrivals) for port in TLS_PORTS + [int(port) for port in sys.argv[2:]]]
    jobs.append((serve, open_tcp(80), None, arrivals))
    jobs.append((serve_dns, open_dns(), Zone(f"{directory}/zone"), queries))
    threads = [threading.Thread(target=job[0], args=job[1:]) for job in jobs]
    for thread in threads:
        thread.start()
    Journal(f"{directory}/ready").write(str(os.getpid()))
    for thread in threads:
        thread.join()


main()
