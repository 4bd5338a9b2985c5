#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""activate.py SOCKET SERVICE [WITHOUT]: what systemd does with a socket unit and its service, where it is not process 1.

Listens as the socket unit says (ListenStream, FreeBind, BindToDevice) and becomes the service's ExecStart with that
socket. WITHOUT is a key of the socket unit that is left out.
"""

import os
import socket
import sys

IP_FREEBIND = 15
FIRST = 3  # sd_listen_fds(3)


def read(path):
    keys = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            key, equals, value = line.strip().partition("=")
            if equals and not line.startswith("#"):
                keys[key] = value
    return keys


def main():
    unit, service = read(sys.argv[1]), read(sys.argv[2])
    for key in sys.argv[3:]:
        del unit[key]
    host, port = unit["ListenStream"].split(":")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, unit["FreeBind"] == "yes")
    if "BindToDevice" in unit:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, unit["BindToDevice"].encode())
    listener.bind((host, int(port)))
    listener.listen()
    if listener.fileno() != FIRST:
        os.dup2(listener.fileno(), FIRST)
    os.set_inheritable(FIRST, True)
    command = service["ExecStart"].split()
    environment = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.execve(command[0], command, environment)


main()
