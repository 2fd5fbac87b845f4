# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A terminal to run something in, and to look at: knows what the progress view sends, nothing more."""

from __future__ import annotations

import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import typing as t

_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")


class Screen:
    """Lines as a terminal would show them, scrolled off ones included."""

    def __init__(self) -> None:
        self._lines = [""]
        self._row = 0
        self._column = 0
        self._rest = ""

    def feed(self, text: str) -> None:
        """Take in output."""
        text, self._rest = self._rest + text, ""
        position = 0
        while position < len(text):
            character = text[position]
            if character == "\x1b":
                found = _SEQUENCE.match(text, position)
                if found is None:
                    self._rest = text[position:]
                    return
                self._control(found[1], found[2])
                position = found.end()
                continue
            self._put(character)
            position += 1

    def text(self) -> str:
        """What can be seen."""
        return "\n".join(line.rstrip() for line in self._lines).rstrip()

    def _put(self, character: str) -> None:
        if character == "\n":
            self._row += 1
            if self._row == len(self._lines):
                self._lines.append("")
        elif character == "\r":
            self._column = 0
        else:
            line = self._lines[self._row].ljust(self._column)
            self._lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
            self._column += 1

    def _control(self, number: str, name: str) -> None:
        if name == "A":
            self._row = max(0, self._row - int(number or 1))
        elif name == "J":
            self._lines[self._row] = self._lines[self._row][: self._column]
            del self._lines[self._row + 1 :]
        elif name != "m":
            raise AssertionError(f"the terminal of the tests doesn't know the sequence {number}{name}")


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, command: t.Sequence[str], folder: pathlib.Path, environ: dict[str, str]) -> None:
        self._leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        self.process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=environ | {"TERM": "xterm"},
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
        )
        os.close(follower)
        self.screen = Screen()

    def wait_for(self, condition: t.Callable[[str], object], seconds: float = 180) -> str:
        """Read until the screen shows something."""
        deadline = time.monotonic() + seconds
        while not condition(self.screen.text()):
            assert time.monotonic() < deadline, self.screen.text()
            assert self._read(), f"it ended with:\n{self.screen.text()}"
        return self.screen.text()

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def finish(self) -> int:
        """Read to the end."""
        while self._read():
            pass
        os.close(self._leader)
        return self.process.wait(60)

    def _read(self) -> bool:
        ready, _w, _x = select.select([self._leader], [], [], 180)
        assert ready, self.screen.text()
        try:
            data = os.read(self._leader, 65536)
        except OSError:  # the other side is closed
            return False
        self.screen.feed(data.decode())
        return bool(data)
