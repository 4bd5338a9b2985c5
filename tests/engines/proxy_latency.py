#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""proxy_latency.py PROXY HOST:PORT COUNT [PID]: one CONNECT after another, each on a connection of its own.

Prints "answered=N failed=N p50_ms=X p99_ms=X max_ms=X": how many were answered with 200, and how long that took from the
first packet on. Goes on until there are COUNT and the process PID has ended; no request may take longer than PATIENCE
seconds (in the environment; 20).
"""

import os
import socket
import sys
import time

SECONDS = float(os.environ.get("PATIENCE", 20))


def ask(proxy, target):
    with socket.create_connection((proxy, 3128), timeout=SECONDS) as connection:
        connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        return b" 200 " in connection.recv(4096)


def main():
    proxy, target, count = sys.argv[1:4]
    process = f"/proc/{sys.argv[4]}" if len(sys.argv) > 4 else None
    times, failed = [], 0
    while len(times) + failed < int(count) or (process and os.path.exists(process)):
        begun = time.monotonic()
        try:
            answered = ask(proxy, target)
        except OSError as error:
            print(error, file=sys.stderr)
            answered = False
        if answered:
            times.append((time.monotonic() - begun) * 1000)
        else:
            failed += 1
    times.sort()
    p50, p99, slowest = (times[int((len(times) - 1) * part)] if times else -1 for part in (0.5, 0.99, 1))
    print(f"answered={len(times)} failed={failed} p50_ms={p50:.1f} p99_ms={p99:.1f} max_ms={slowest:.1f}")


main()
