#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command beside a relay to the proxy of $HTTP_PROXY, which adds what every HTTP client takes from there: the name
and the password. The battery does not know them, and a proxy that wants them would refuse it for that alone.

authenticated.py PORT COMMAND...

The relay listens at 127.0.0.1:PORT, inside the sandbox, and adds one header to the first request of each connection.
"""

import base64
import os
import socket
import subprocess
import sys
import threading
import urllib.parse


def copy(source, sink):
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one end has gone, and so will the other


def relay(client, proxy, header):
    with client, socket.create_connection((proxy.hostname, proxy.port)) as upstream:
        line, _, rest = client.recv(1 << 16).partition(b"\r\n")
        upstream.sendall(line + b"\r\n" + header + rest)
        back = threading.Thread(target=copy, args=(upstream, client), daemon=True)
        back.start()
        copy(client, upstream)
        back.join()


def serve(listener, proxy, header):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=relay, args=(client, proxy, header), daemon=True).start()


def main():
    proxy = urllib.parse.urlsplit(os.environ["HTTP_PROXY"])
    secret = f"{urllib.parse.unquote(proxy.username or '')}:{urllib.parse.unquote(proxy.password or '')}"
    header = b"Proxy-Authorization: Basic " + base64.b64encode(secret.encode()) + b"\r\n"
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    threading.Thread(target=serve, args=(listener, proxy, header), daemon=True).start()
    sys.exit(subprocess.run(sys.argv[2:], check=False).returncode)


main()
