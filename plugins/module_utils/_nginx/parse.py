# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx configuration as a tree: what ``nginx -T`` prints, includes put in their places.

crossplane is the library for this, but it can't be asked for on managed nodes (standard library only), and it
reads files where ``nginx -T`` already says which files the server reads. The tokenizer follows
``ngx_conf_read_token`` of nginx (src/core/ngx_conf_file.c) rule by rule; regular expressions would not survive
quotes, ``${variables}`` and Lua blocks.
"""

from __future__ import annotations

import fnmatch
import os
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

_SPACE = " \t\r\n"
_UNESCAPED = {'"': '"', "'": "'", "\\": "\\", "t": "\t", "r": "\r", "n": "\n"}
_FILE_HEADER = re.compile(r"^# configuration file (/.*):\n", re.MULTILINE)
_PLAIN = re.compile(r"[^\s;{}\"'\\#$][^\s;{}\"'\\]*")
_LUA = re.compile(r"--\[\[.*?\]\]|--[^\n]*|\[\[.*?\]\]|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[{}]", re.DOTALL)


@dataclass(frozen=True)
class Directive:
    """One directive with where it stands; ``block`` is None for those that end in a semicolon."""

    name: str
    args: tuple[str, ...] = ()
    block: tuple[Directive, ...] | None = None
    file: str = ""
    line: int = 0

    def children(self, name: str) -> list[Directive]:
        """The directives of that name directly inside this block."""
        return [item for item in self.block or () if item.name == name]

    def walk(self) -> t.Iterator[Directive]:
        """Every directive below this one, in the order of the text."""
        for item in self.block or ():
            yield item
            yield from item.walk()

    @property
    def place(self) -> str:
        """``file:line`` for messages."""
        return f"{self.file}:{self.line}"


class _Token(t.NamedTuple):
    text: str
    mark: bool  # one of ; { } that was not quoted
    line: int


class _Reader:
    """Turns the text of one file into tokens."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._at = 0
        self._line = 1

    def error(self, message: str) -> LockstepError:
        return LockstepError(f"{self._file or 'nginx configuration'}:{self._line}: {message}")

    def _step(self) -> str:
        char = self._text[self._at]
        self._at += 1
        if char == "\n":
            self._line += 1
        return char

    def _skip(self) -> None:
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "#":
                while self._at < len(self._text) and self._text[self._at] != "\n":
                    self._at += 1
            elif char in _SPACE:
                self._step()
            else:
                return

    def next(self) -> _Token | None:
        """The next word or mark; None at the end."""
        self._skip()
        if self._at >= len(self._text):
            return None
        line = self._line
        char = self._text[self._at]
        if char in ";{}":
            self._at += 1
            return _Token(char, True, line)
        if char in "\"'":
            self._step()
            return _Token(self._quoted(char), False, line)
        return _Token(self._word(), False, line)

    def _quoted(self, quote: str) -> str:
        begin = self._at
        while self._at < len(self._text):
            char = self._step()
            if char == "\\" and self._at < len(self._text):
                self._step()
            elif char == quote:
                following = self._text[self._at : self._at + 1]
                if following and following not in _SPACE + ";{)":
                    raise self.error(f'unexpected "{following}" after a quoted word')
                return _unescape(self._text[begin : self._at - 1])
        raise self.error("a quote is not closed")

    def _word(self) -> str:
        begin = self._at
        variable = False
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "\\":
                self._step()
                if self._at < len(self._text):
                    self._step()
                continue
            # "${name}" belongs to the word, while any other brace opens a block.
            if char in _SPACE or char == ";" or (char == "{" and not variable):
                break
            variable = char == "$"
            self._step()
        return _unescape(self._text[begin : self._at])

    def lua(self) -> str:
        """The raw text of a Lua block up to its closing brace, which is consumed."""
        begin, depth = self._at, 1
        for found in _LUA.finditer(self._text, begin):
            depth += {"{": 1, "}": -1}.get(found.group(), 0)
            if depth == 0:
                self._at = found.end()
                self._line += self._text.count("\n", begin, self._at)
                return self._text[begin : found.start()]
        raise self.error("a Lua block is not closed")


def _unescape(word: str) -> str:
    return re.sub(r"\\(.)", lambda found: _UNESCAPED.get(found.group(1), found.group()), word, flags=re.DOTALL)


def parse(text: str, file: str = "") -> tuple[Directive, ...]:
    """Read the text of one configuration file; ``include`` stays a directive.

    Raises:
        LockstepError: nginx would not read it either: an open quote or block, a mark at the wrong place.
    """
    return tuple(_block(_Reader(text, file), file, 0))


def _block(reader: _Reader, file: str, depth: int) -> t.Iterator[Directive]:
    words: list[_Token] = []
    while True:
        token = reader.next()
        if token is None:
            if words or depth:
                raise reader.error("the text ends inside a directive" if words else 'a "}" is missing')
            return
        if not token.mark:
            words.append(token)
            continue
        if token.text == "}":
            if words or not depth:
                raise reader.error('unexpected "}"')
            return
        if not words:
            raise reader.error(f'unexpected "{token.text}"')
        name, args, line = words[0].text, tuple(word.text for word in words[1:]), words[0].line
        if token.text == ";":
            yield Directive(name, args, None, file, line)
        elif name.endswith("_by_lua_block"):
            yield Directive(name, (*args, reader.lua()), (), file, line)
        else:
            yield Directive(name, args, tuple(_block(reader, file, depth + 1)), file, line)
        words = []


class Configuration:
    """Everything one nginx reads.

    Args:
        dump: The output of ``nginx -T``.

    Raises:
        LockstepError: The dump holds no file, or one that can't be read.
    """

    def __init__(self, dump: str) -> None:
        parts = _FILE_HEADER.split(dump)
        if len(parts) < 3:
            raise LockstepError("nginx -T printed no configuration")
        self.main = parts[1]
        self.files: dict[str, tuple[Directive, ...]] = {}
        for file, text in zip(parts[1::2], parts[2::2]):
            self.files.setdefault(file, parse(text, file))
        self.tree = tuple(self._expanded(self.files[self.main], (self.main,)))

    def _expanded(self, items: t.Iterable[Directive], seen: tuple[str, ...]) -> t.Iterator[Directive]:
        for item in items:
            if item.name == "include" and item.args:
                for file in self._included(item.args[0]):
                    if file in seen:
                        raise LockstepError(f"{item.place}: {file} includes itself")
                    yield from self._expanded(self.files[file], (*seen, file))
            elif item.block is not None:
                block = tuple(self._expanded(item.block, seen))
                yield Directive(item.name, item.args, block, item.file, item.line)
            else:
                yield item

    def _included(self, pattern: str) -> list[str]:
        # Names are sorted as glob(3) does in nginx's C locale: by bytes.
        full = os.path.normpath(os.path.join(os.path.dirname(self.main), pattern))
        return sorted((file for file in self.files if _matches(os.path.normpath(file), full)), key=os.fsencode)

    def main_value(self, name: str) -> tuple[str, ...] | None:
        """The arguments of a directive outside any block; None when it isn't set."""
        return next((item.args for item in self.tree if item.name == name), None)

    def http(self) -> Directive:
        """The http block; an empty one where there is none."""
        return next((item for item in self.tree if item.name == "http"), Directive("http", (), ()))

    def servers(self) -> list[Directive]:
        """The HTTP servers in the order nginx reads them."""
        return self.http().children("server")


def _matches(file: str, pattern: str) -> bool:
    names, wanted = file.split("/"), pattern.split("/")
    return len(names) == len(wanted) and all(
        fnmatch.fnmatchcase(name, want) and (want.startswith(".") or not name.startswith("."))
        for name, want in zip(names, wanted)
    )


def quote(word: str) -> str:
    """A word as it has to stand in a configuration, so that nginx reads exactly it."""
    if _PLAIN.fullmatch(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
