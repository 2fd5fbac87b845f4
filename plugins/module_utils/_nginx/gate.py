# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who closed a site to visitors, and how: a file each, which nginx looks for at every request, so no reload is needed.

In the folder of a site's links are, while it is closed,

``closed``       by a deployment that blocks reads too: the maintenance page, which only that deployment takes away,
``maintenance``  by an operator: the same page, but not for the addresses that have a file in ``allowed``,
``stopped``      by an operator: a bare 503 for everybody, and the connection is closed.

Each is one owner's own file, so that nobody who opens what he closed opens what somebody else closed. In every case
all requests are answered by nginx alone, API, assets and realtime included; answers say so in ``X-Lockstep-Traffic``.
Requests and websockets that are open already are not cut: nginx can't do that for one site.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError

#: What a site can be. ``CLOSED`` is a deployment's.
OPEN, CLOSED, MAINTENANCE, STOPPED = "open", "closed", "maintenance", "stopped"
#: The header of answers that nginx gives instead of the site, with one of the states above.
HEADER = "X-Lockstep-Traffic"

_ALLOWED = "allowed"
#: The one that counts first.
_STATES = (STOPPED, CLOSED, MAINTENANCE)
_VARIABLE = "$lockstep_gate"
# Codes of our own, for error pages beside that of 503.
_BARE, _DATA = 513, 514
_SECONDS = {CLOSED: 30, MAINTENANCE: 30, STOPPED: 120}
_MESSAGE = "This site is closed for maintenance."

Lines = list[str]


class Gate:
    """Whether visitors get to one site.

    Args:
        folder: The folder of its links.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def state(self) -> str:
        """What visitors get now, whoever said so."""
        return next((state for state in _STATES if self.is_set(state)), OPEN)

    def is_set(self, state: str) -> bool:
        """Whether somebody closed the site in this way."""
        return os.path.exists(self._path(state))

    def told(self, state: str) -> dict[str, t.Any]:
        """``by``, ``since`` and ``reason`` of who closed the site in this way; what isn't known is None."""
        unknown: dict[str, t.Any] = dict.fromkeys(("by", "since", "reason"))
        try:
            with open(self._path(state), encoding="utf-8", errors="replace") as handle:
                found = json.load(handle)
        except (FileNotFoundError, ValueError):
            # Versions before this one wrote a sentence.
            return unknown
        return {**unknown, **found} if isinstance(found, dict) else unknown

    def close(self, state: str, by: str | None = None, reason: str | None = None, since: str | None = None) -> bool:
        """Close the site in one way, beside others; whether anything changed.

        Args:
            state: ``CLOSED``, ``MAINTENANCE`` or ``STOPPED``.
            by: Who does.
            reason: Why, for those who look at the status.
            since: Since when, where it was closed before; from now on if not given.
        """
        if self.is_set(state) and reason in (None, self.told(state)["reason"]):
            return False
        told = {"by": by, "since": since or clock.utc_now(), "reason": reason}
        atomic.write_text(self._path(state), json.dumps(told) + "\n", mode=0o644)
        return True

    def open(self, *states: str) -> bool:
        """Take away what closes the site in some ways; whether anything changed."""
        there = [state for state in states if self.is_set(state)]
        for state in there:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(state))
        if there:
            atomic.fsync_dir(self._folder)
        return bool(there)

    def allowed(self) -> list[str]:
        """Addresses that get in while the site is in maintenance."""
        folder = self._path(_ALLOWED)
        found = os.listdir(folder) if os.path.isdir(folder) else []
        return sorted(name for name in found if not name.startswith("::ffff:"))

    def allow(self, addresses: t.Iterable[str]) -> bool:
        """Let addresses in while the site is in maintenance, and nobody else; whether anything changed.

        Args:
            addresses: IPv4 and IPv6 addresses as :func:`address` returns them.
        """
        wanted = set(addresses)
        folder = self._path(_ALLOWED)
        there = set(self.allowed())
        if wanted == there:
            return False
        os.makedirs(folder, mode=0o755, exist_ok=True)
        os.chmod(folder, 0o755)
        for text in wanted - there:
            for name in _spellings(text):
                atomic.write_text(os.path.join(folder, name), "", mode=0o644)
        for text in there - wanted:
            for name in _spellings(text):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(folder, name))
        atomic.fsync_dir(folder)
        return True

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)


def address(text: str) -> str:
    """An address as nginx writes it in ``$remote_addr``.

    Raises:
        LockstepError: It is none. A network is none: nginx looks for a file of the visitor's very address.
    """
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        raise LockstepError(
            f"{text!r} is no IP address", hint="networks can't be let in, only single addresses"
        ) from None
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _spellings(text: str) -> list[str]:
    """The address as sockets may call it, what it is known by last: one that was cut short is noticed, and repeated."""
    # What a visitor by IPv4 is called on a socket for both.
    return [text] if ":" in text else [f"::ffff:{text}", text]


def checks(traffic: str) -> Lines:
    """Directives of a server that find out who gets in.

    Args:
        traffic: The folder of the site's links.
    """
    return [
        *_when(f"-f {traffic}/{MAINTENANCE}", f"set {_VARIABLE} {MAINTENANCE};"),
        *_when(f"-f {traffic}/{_ALLOWED}/$remote_addr", f"set {_VARIABLE} {OPEN};"),
        *_when(f"-f {traffic}/{CLOSED}", f"set {_VARIABLE} {CLOSED};"),
        *_when(f"-f {traffic}/{STOPPED}", f"set {_VARIABLE} {STOPPED};"),
    ]


def refusals() -> Lines:
    """Directives of a server that keep the others out, after :func:`checks`."""
    return [
        *_when(f"{_VARIABLE} = {STOPPED}", f"return {_BARE};"),
        # Programs can't read a page.
        f"set {_VARIABLE}_at {_VARIABLE}$uri;",
        *_when(f'{_VARIABLE}_at ~ "^({CLOSED}|{MAINTENANCE})/(api|socket\\.io)/"', f"return {_DATA};"),
        *_when(f'{_VARIABLE} ~ "^({CLOSED}|{MAINTENANCE})$"', "return 503;"),
    ]


def pages() -> Lines:
    """Directives of a server that name what is answered then."""
    return [
        "error_page 503 @lockstep_closed;",
        f"error_page {_BARE} =503 @lockstep_stopped;",
        f"error_page {_DATA} =503 @lockstep_closed_data;",
    ]


def answers(page: str) -> list[tuple[str, Lines]]:
    """The locations that :func:`pages` names.

    Args:
        page: The maintenance page.
    """
    data = f'{{"message": "{_MESSAGE}", "retry_after": {_SECONDS[CLOSED]}}}'
    return [
        ("@lockstep_closed", _answer("text/html", _SECONDS[CLOSED], f'return 503 "{page}";')),
        ("@lockstep_closed_data", _answer("application/json", _SECONDS[CLOSED], f"return 503 '{data}';")),
        (
            "@lockstep_stopped",
            ["keepalive_timeout 0;", *_answer("text/plain", _SECONDS[STOPPED], 'return 503 "Stopped.\\n";')],
        ),
    ]


def _answer(kind: str, seconds: int, answer: str) -> Lines:
    headers = (("Retry-After", str(seconds)), ("Cache-Control", "no-store"), (HEADER, _VARIABLE))
    return [f"default_type {kind};", *(f"add_header {name} {value} always;" for name, value in headers), answer]


def _when(condition: str, then: str) -> Lines:
    return [f"if ({condition}) {{", then, "}"]
