#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tls_client.py SOURCE PROXY [REQUEST...]: sends each request, all at the same time, to the pass-through of PROXY.

Prints "ANSWER REQUEST SECONDS" for each in the order given. ANSWER is what came first: "hello" (a server's), "alert" (of
a server), "closed" if nothing came, the status code of an answer to plain HTTP. A REQUEST is

    NAME                 a ClientHello with this server name ("-": none)
    FORM=NAME            in another form: bytes (one at a time), records:N (two TLS records, the first with N bytes),
                         version:V (of TLS, 1.0 to 1.3, and no other), ech (with an encrypted ClientHello, as far as
                         anybody can see), second:OTHER (and one for OTHER behind it, at once), half, drip (a byte every
                         half second), wait:S (S seconds after the connection is there), later:S (all of it S seconds later)
    raw=BYTES            with Python's escapes, in names, too
    http=BYTES           the same to port 80

SECONDS are whole, rounded down.
"""

import concurrent.futures
import socket
import ssl
import sys
import time
import warnings

PATIENCE = 20  # seconds
ECH = 0xFE0D
VERSIONS = {"1.0": "TLSv1", "1.1": "TLSv1_1", "1.2": "TLSv1_2", "1.3": "TLSv1_3"}


def unescape(text):
    return text.encode().decode("unicode_escape").encode("latin-1")


def client_hello(name, version=None):
    """The record that a client sends first. Any bytes may be the name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = getattr(ssl.TLSVersion, VERSIONS[version or "1.2"])
    context.maximum_version = getattr(ssl.TLSVersion, VERSIONS[version or "1.3"])
    outgoing = ssl.MemoryBIO()
    stand_in = "x" * len(name) if name else None
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=stand_in).do_handshake()
    except ssl.SSLWantReadError:
        pass
    record = outgoing.read()
    return record.replace(stand_in.encode(), name) if name else record


def with_extension(record, kind, data):
    body = bytearray(record[9:])
    at = 34
    at += 1 + body[at]  # session
    at += 2 + int.from_bytes(body[at : at + 2], "big")  # ciphers
    at += 1 + body[at]  # compression
    body += kind.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data
    body[at : at + 2] = (len(body) - at - 2).to_bytes(2, "big")
    return record[:3] + (len(body) + 4).to_bytes(2, "big") + b"\x01" + len(body).to_bytes(3, "big") + bytes(body)


def in_two_records(record, cut):
    body = record[5:]
    return b"".join(record[:3] + len(part).to_bytes(2, "big") + part for part in (body[:cut], body[cut:]))


def pieces(request):
    """What is sent, and how long to wait before each of it."""
    form, _, name = request.rpartition("=")
    form, _, value = form.partition(":")
    if form in ("raw", "http"):
        return [(0, unescape(name))]
    hello = client_hello(unescape(name) if name != "-" else None, value if form == "version" else None)
    if form == "bytes":
        return [(0.001, hello[i : i + 1]) for i in range(len(hello))]
    if form == "records":
        return [(0, in_two_records(hello, int(value)))]
    if form == "ech":
        return [(0, with_extension(hello, ECH, b"\0\0\x01\0\x01\0\0\x20" + bytes(32) + b"\0\x80" + bytes(128)))]
    if form == "second":
        return [(0, hello + client_hello(unescape(value)))]
    if form == "half":
        return [(0, hello[: len(hello) // 2])]
    if form == "drip":
        return [(0.5, hello[i : i + 1]) for i in range(len(hello))]
    return [(float(value) if form == "wait" else 0, hello)]


def answer(source, proxy, request):
    port = 80 if request.startswith("http=") else 443
    with socket.create_connection((proxy, port), timeout=PATIENCE, source_address=(source, 0)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for wait, piece in pieces(request):
                time.sleep(wait)
                connection.sendall(piece)
            got = connection.recv(4096)
        except (ConnectionResetError, BrokenPipeError):
            got = b""
    if got.startswith(b"HTTP/"):
        return got.split()[1].decode()
    return {b"": "closed", b"\x16": "hello", b"\x15": "alert"}.get(got[:1], "other")


def timed(source, proxy, request):
    if request.startswith("later:"):
        time.sleep(float(request[len("later:") : request.index("=")]))
    start = time.monotonic()
    return f"{answer(source, proxy, request)} {request} {int(time.monotonic() - start)}"


def main():
    warnings.simplefilter("ignore")  # of old versions of TLS, which are meant
    source, proxy, *requests = sys.argv[1:]
    with concurrent.futures.ThreadPoolExecutor(max_workers=64) as pool:
        for line in pool.map(lambda request: timed(source, proxy, request), requests):
            print(line)


main()
