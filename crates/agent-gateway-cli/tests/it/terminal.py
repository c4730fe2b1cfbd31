"""Runs a command on a terminal of its own and does what the script on stdin says.

The script is JSON: {"command": [..], "steps": [["expect", text] | ["send", keys] | ["signal", name], ..]}.
"expect" waits for a text behind the last one that was found.
Answers JSON: {"code": exit code or minus the signal, "seen": everything that came, "missing": the text that did not come}.
"""
import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 20.0


def main():
    script = json.load(sys.stdin)
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(script["command"][0], script["command"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    seen, place, missing = b"", 0, None

    def read(wait):
        """One piece of output; answers whether the terminal is still there. A program that asks for the cursor is told."""
        nonlocal seen
        ready, _, _ = select.select([terminal], [], [], wait)
        if not ready:
            return True
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            return False
        for _ in range(piece.count(b"\x1b[6n")):
            os.write(terminal, b"\x1b[1;1R")
        seen += piece
        return bool(piece)

    def until(found):
        end = time.monotonic() + PATIENCE
        there = True
        while not found():
            if not there or time.monotonic() > end:
                return False
            there = read(0.05)
        return True

    for what, text in script["steps"]:
        if what == "expect":
            wanted = text.encode()
            if not until(lambda: seen.find(wanted, place) >= 0):
                missing = text
                break
            place = seen.find(wanted, place) + len(wanted)
        elif what == "send":
            os.write(terminal, text.encode())
        elif what == "signal":
            os.kill(child, getattr(signal, text))
        else:
            raise ValueError(what)
    status = None

    def ended():
        nonlocal status
        if status is None:
            pid, answer = os.waitpid(child, os.WNOHANG)
            status = answer if pid else None
        return status is not None

    if missing is None:
        until(ended)
    while read(0.2) and not ended():
        if missing is not None:
            os.kill(child, signal.SIGKILL)
    if status is None:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    json.dump({"code": code, "seen": seen.decode(errors="replace"), "missing": missing}, sys.stdout)


main()
