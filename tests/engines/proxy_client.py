#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""proxy_client.py SOURCE PROXY [REQUEST...]: sends each request, all at the same time, to port 3128 of PROXY.

Prints "STATUS REQUEST" for each in the order given: the status code of the answer, or "closed" if there was none. A
REQUEST has Python's escapes; one without a blank at all is short for a CONNECT to it. With BODY=1 in the environment the
whole answer is printed instead; with REPEAT=SECONDS all requests are sent again and again for that long.
"""

import concurrent.futures
import os
import socket
import sys
import time

SECONDS = 10


def bytes_of(request):
    if " " not in request:
        request = f"CONNECT {request} HTTP/1.1\\r\\nHost: {request}\\r\\n\\r\\n"
    return request.encode().decode("unicode_escape").encode("latin-1")


def exchange(source, proxy, request):
    answer = b""
    with socket.create_connection((proxy, 3128), timeout=SECONDS, source_address=(source, 0)) as connection:
        connection.sendall(bytes_of(request))
        try:
            while b"\r\n\r\n" not in answer or os.environ.get("BODY"):
                more = connection.recv(65536)
                if not more:
                    break
                answer += more
        except ConnectionResetError:
            pass
    return answer.decode("latin-1")


def status(source, proxy, request):
    words = exchange(source, proxy, request).split(maxsplit=2)
    return words[1] if len(words) > 1 and words[0].startswith("HTTP/") else "closed"


def main():
    source, proxy, *requests = sys.argv[1:]
    with concurrent.futures.ThreadPoolExecutor(max_workers=64) as pool:
        if os.environ.get("BODY"):
            for answer in pool.map(lambda request: exchange(source, proxy, request), requests):
                print(answer)
            return
        end = time.monotonic() + float(os.environ.get("REPEAT", 0))
        while True:
            for request, code in zip(requests, pool.map(lambda request: status(source, proxy, request), requests)):
                print(code, request)
            if time.monotonic() >= end:
                break


main()
