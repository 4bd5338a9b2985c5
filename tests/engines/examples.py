# SPDX-License-Identifier: Apache-2.0
"""Does what a page says: runs its examples, one after the other in one shell, and compares what they print.

    examples.py run PAGE [OUT]   runs them; OUT keeps the whole conversation
    examples.py list PAGE        prints the commands, one a line

Examples are the blocks of a man page's source (*.scd) that stand below "# EXAMPLES", and the blocks of a Markdown page
that are marked `console`. In a block

    # COMMAND      is run by root in bash; it goes on in lines that begin with "> "
    other lines    are what it prints, on either stream: "..." in a line stands for anything, alone for any lines

A command that is shown to print nothing may print what it likes. It has to succeed, and so has one of which only "..." is
shown. One that is shown to print something has to print that, whatever its exit status: `echo $?` can follow. The first
difference ends the run, with exit status 1.
"""
import os
import re
import select
import subprocess
import sys
import tempfile
import time

SECONDS_EACH = 180  # for a command
END = "-- end of the command, status"


def blocks(page):
    """(number of the first line, lines) of each block of examples."""
    manual = page.endswith(".scd")
    section, language, begun, found = not manual, None, 0, []
    with open(page, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines, 1):
        if line.strip().startswith("```"):
            if language is None:
                language, begun, found = "console" if manual else line.strip()[3:], number + 1, []
            else:
                if section and language == "console":
                    yield begun, found
                language = None
        elif language is not None:
            found.append(line)
        elif manual and line.startswith("# "):
            section = line == "# EXAMPLES"


def examples(page):
    """(line number, command, lines that it prints) of each."""
    for begun, lines in blocks(page):
        found = []
        for number, line in enumerate(lines, begun):
            if line.startswith("# "):
                found.append((number, [line[2:]], []))
            elif not found:
                sys.exit(f"{page}:{number}: a block begins with a command, `# ...`")
            elif line.startswith("> ") and not found[-1][2]:
                found[-1][1].append(line[2:])
            else:
                found[-1][2].append(line)
        yield from ((number, "\n".join(command), output) for number, command, output in found)


def pattern(lines):
    """The regular expression for what a command prints."""
    parts = []
    for line in lines:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*?".join(re.escape(piece) for piece in line.rstrip().split("...")) + r"[ \r]*\n")
    return re.compile("".join(parts) + r"\Z")


class Shell:
    def __init__(self):
        self.process = subprocess.Popen(["bash", "--norc", "--noprofile"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0)
        self.script = tempfile.NamedTemporaryFile("w", prefix="example-")

    def run(self, command):
        """(what it printed, exit status)"""
        self.script.seek(0)
        self.script.truncate()
        self.script.write(command + "\n")
        self.script.flush()
        self.process.stdin.write(f". {self.script.name} </dev/null\nSTATUS=$?; printf '\\n%s %d\\n' '{END}' $STATUS; "
                                 f"(exit $STATUS)\n".encode())
        ends, printed = time.monotonic() + SECONDS_EACH, b""
        mark = re.compile(rb"\n" + re.escape(END.encode()) + rb" (\d+)\n\Z")
        while not (end := mark.search(printed)):
            if not select.select([self.process.stdout], [], [], max(0, ends - time.monotonic()))[0]:
                sys.exit(f"{command}\nhas not ended after {SECONDS_EACH} s; it printed:\n{printed.decode(errors='replace')}")
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                sys.exit(f"{command}\nended the shell; it printed:\n{printed.decode(errors='replace')}")
            printed += piece
        text = printed[: end.start()].decode(errors="replace")
        return text if not text or text.endswith("\n") else text + "\n", int(end.group(1))

    def end(self):
        self.process.kill()
        self.process.wait()


def run(page, record):
    shell, count = Shell(), 0
    try:
        for number, command, expected in examples(page):
            printed, status = shell.run(command)
            record.write(f"# {command}\n{printed}")
            record.flush()
            if status != 0 and all(line.strip() == "..." for line in expected):
                sys.exit(f"{page}:{number}: exit status {status}:\n# {command}\n{printed}")
            if expected and not pattern(expected).match(printed):
                shown = "\n".join(expected)
                sys.exit(f"{page}:{number}: the page has\n# {command}\n{shown}\nbut it printed\n{printed}")
            count += 1
    finally:
        shell.end()
    if count == 0:
        sys.exit(f"{page}: has no examples")
    print(f"{count} examples")


if __name__ == "__main__":
    if sys.argv[1] == "list":
        for _, words, _ in examples(sys.argv[2]):
            print(words)
    else:
        with open(sys.argv[3] if len(sys.argv) > 3 else os.devnull, "w", encoding="utf-8") as out:
            run(sys.argv[2], out)
