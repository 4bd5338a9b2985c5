# SPDX-License-Identifier: Apache-2.0
"""The two ends of a terminal, for the tests.

    terminal.py receive SOCKET      what an engine does behind --console-socket: takes the terminal that a runtime
                                    sends, says "ready" before, types a line into it, and prints what comes out
    terminal.py run COMMAND...      what a person does: runs the command on a terminal of its own, types a line, prints
                                    what comes out, and has the command's exit status
"""
import array
import os
import pty
import socket
import sys


def converse(terminal):
    """Types a line, and copies to standard output until the other end is closed."""
    os.write(terminal, b"typed\n")
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # EIO: nobody has the other end any more
            return
        if not data:
            return
        sys.stdout.buffer.write(data)
        sys.stdout.flush()


def receive(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(1)
        print("ready", flush=True)
        connection, _ = server.accept()
        descriptors = array.array("i")
        _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(descriptors.itemsize))
        for _, _, data in ancillary:
            descriptors.frombytes(data[: descriptors.itemsize])
        converse(descriptors[0])


def run(command):
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    converse(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(receive(sys.argv[2]) if sys.argv[1] == "receive" else run(sys.argv[2:]))
