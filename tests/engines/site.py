#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A site of the tests' internet: files, and an echo for WebSockets, over TLS or plain HTTP.

site.py DIRECTORY PORT [CERTIFICATE]

Serves the files below DIRECTORY at every address, one line of standard output for each request. CERTIFICATE is a file
with certificate and key; without it HTTP is plain. A query is not part of a file's name. Who asks for a WebSocket,
wherever, gets back each text that he sends.
"""

import base64
import functools
import hashlib
import http.server
import ssl
import struct
import sys

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
TEXT, CLOSE = 1, 8


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.echo()
        else:
            super().do_GET()

    def echo(self):
        key = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + GUID).encode()).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(key).decode())
        self.end_headers()
        self.close_connection = True
        kind = TEXT
        while kind == TEXT:
            kind, text = self.frame()
            self.wfile.write(struct.pack("!BB", 0x80 | kind, len(text)) + text)
            self.wfile.flush()

    def frame(self):
        """A masked frame of less than 126 bytes: what a client sends here."""
        head = self.rfile.read(2)
        mask = self.rfile.read(4)
        if len(mask) < 4:
            return CLOSE, b""
        text = self.rfile.read(head[1] & 0x7F)
        return head[0] & 0xF, bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))

    def log_message(self, format, *args):
        print(self.address_string(), format % args, flush=True)


def main():
    directory, port, *certificate = sys.argv[1:]
    handler = functools.partial(Handler, directory=directory)
    server = http.server.ThreadingHTTPServer(("0.0.0.0", int(port)), handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate[0])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print("ready", flush=True)
    server.serve_forever()


main()
