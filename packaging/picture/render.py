# SPDX-License-Identifier: Apache-2.0
"""A picture of what a command prints on a terminal.

    render.py record PROMPT COMMAND...   runs the command on a terminal, prints "PROMPT" and what it printed
    render.py svg TITLE                  makes an SVG of such text on standard input
    render.py lines [SVG]                the lines of an SVG, or of text on standard input, with all figures taken out:
                                         what makes one run differ from another

Of a terminal's language it knows what our programs say: newlines, and the colours and bold of SGR.
"""
import os
import pty
import re
import sys
import xml.etree.ElementTree
from xml.sax.saxutils import escape

STYLES = {"1": "bold", "31": "red", "32": "green"}
COLUMN, LINE, SIZE, EDGE, BAR = 7.83, 18, 13, 16, 30  # pixels; a column is 0.602 of the size in common monospaced fonts
SVG = "{http://www.w3.org/2000/svg}"
SGR = re.compile(r"\x1b\[([0-9;]*)m")


def record(prompt, command):
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
        os.environ.pop("NO_COLOR", None)
        os.execvp(command[0], command)
    output = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # EIO: nobody has the other end any more
            break
        if not piece:
            break
        output += piece
    _, status = os.waitpid(child, 0)
    sys.stdout.write(f"\x1b[1m# {prompt}\x1b[0m\n" + output.decode().replace("\r", ""))
    return os.waitstatus_to_exitcode(status)


def spans(line):
    """(text, classes) of the line's parts."""
    styles, at = set(), 0
    for code in list(SGR.finditer(line)) + [None]:
        text = line[at: code.start() if code else None]
        if text:
            yield text, " ".join(sorted(styles))
        if code:
            at = code.end()
            for number in code.group(1).split(";"):
                styles = set() if number in ("", "0") else styles | {STYLES[number]}


def svg(title, text):
    lines = [line.rstrip() for line in text.rstrip("\n").split("\n")]
    width = round(2 * EDGE + COLUMN * max(len(SGR.sub("", line)) for line in lines))
    height = BAR + LINE * len(lines) + EDGE
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">'
    yield f"<title>{escape(title)}</title>"
    yield ("<style>text { font: %dpx ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; "
           "fill: #d4d7dd; white-space: pre } "
           ".bold { font-weight: bold; fill: #fff } .green { fill: #7ec97e } .red { fill: #ff7b72 }</style>") % SIZE
    yield f'<rect width="{width}" height="{height}" rx="8" fill="#1c1f26"/>'
    for index, colour in enumerate(["#ff5f57", "#febc2e", "#28c840"]):
        yield f'<circle cx="{EDGE + 4 + 16 * index}" cy="14" r="5" fill="{colour}"/>'
    for index, line in enumerate(lines):
        parts = "".join(f'<tspan class="{classes}">{escape(part)}</tspan>' if classes else escape(part)
                        for part, classes in spans(line))
        yield f'<text x="{EDGE}" y="{BAR + SIZE + LINE * index}" xml:space="preserve">{parts}</text>'
    yield "</svg>"


def without_figures(line):
    line = re.sub(r"[0-9]+(\.[0-9]+)?( [KMG]?i?B\b|[smhk]\b)?", "N", SGR.sub("", line))
    return re.sub(r"[ ]+", " ", line).strip()


def lines(path):
    if path:
        document = xml.etree.ElementTree.parse(path)
        return ["".join(text.itertext()) for text in document.iter(SVG + "text")]
    return sys.stdin.read().rstrip("\n").split("\n")


if __name__ == "__main__":
    if sys.argv[1] == "record":
        sys.exit(record(sys.argv[2], sys.argv[3:]))
    elif sys.argv[1] == "svg":
        print("\n".join(svg(sys.argv[2], sys.stdin.read())))
    else:
        print("\n".join(without_figures(line) for line in lines(sys.argv[2] if len(sys.argv) > 2 else None)))
