# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site's visitors in twentieths, each of which goes to the live release or to a candidate.

Beside ``live``, a site's folder of links (``live.SiteTraffic``) holds

``candidate``     a link to the socket folder of the release that gets a share; to ``live`` while none does,
``slots/00`` …    twenty links, each to ``../live`` or to ``../candidate``: nginx draws one for every visitor,
``split.cookie``  a file that exists while visitors are told their slot in a cookie; else it follows their address.

A slot that got to the candidate stays there while the share rises, so nobody is sent back by that.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import links

COUNT = 20
#: Percent of the visitors that one slot stands for.
STEP = 100 // COUNT
NAMES = tuple(f"{number:02}" for number in range(COUNT))
FOLDER, CANDIDATE, COOKIE = "slots", "candidate", "split.cookie"
STICKY = ("cookie", "address")

LIVE = "live"
_TO_LIVE, _TO_CANDIDATE = f"../{LIVE}", f"../{CANDIDATE}"


class Slots:
    """The slots of one site.

    Args:
        folder: Its folder of links.
    """

    def __init__(self, folder: str) -> None:
        self._links = [os.path.join(folder, FOLDER, name) for name in NAMES]
        self._candidate = os.path.join(folder, CANDIDATE)
        self._cookie = os.path.join(folder, COOKIE)

    @property
    def longest(self) -> str:
        """The slot with the longest path, for those who append a socket's name to it."""
        return self._links[0]

    def provide(self) -> None:
        """Make what is missing, everybody going to the live release."""
        links.open_folder(os.path.dirname(self._links[0]))
        if links.current(self._candidate) is None:
            links.switch(self._candidate, LIVE)
        for link in self._links:
            if links.current(link) is None:
                links.switch(link, _TO_LIVE)

    def candidate(self) -> str | None:
        """The socket folder of the release that visitors are shared with; None while they are not."""
        found = links.current(self._candidate)
        return None if found == LIVE else found

    def percent(self) -> int:
        """Percent of the visitors that go to the candidate."""
        if self.candidate() is None:
            return 0
        return STEP * sum(links.current(link) == _TO_CANDIDATE for link in self._links)

    def share(self, target: str, percent: int, sticky: str) -> bool:
        """Send a share of the visitors to a candidate from their next request on.

        Args:
            target: Its socket folder.
            percent: How many of a hundred visitors, in steps of :data:`STEP`; with 0 it is there for testers only.
            sticky: What visitors are told apart by, one of :data:`STICKY`.

        Returns:
            Whether anything changed.

        Raises:
            LockstepError: There can be no such share, or another candidate has one already.
        """
        if percent % STEP or not 0 <= percent <= 100:
            raise LockstepError(f"{percent} % of the visitors can't be told apart: it goes in steps of {STEP}")
        if sticky not in STICKY:
            raise LockstepError(f"visitors can't be told apart by {sticky}: expected {' or '.join(STICKY)}")
        before = self.candidate()
        if before not in (None, target):
            raise LockstepError(f"{before} is a candidate already", left="traffic stays where it was")
        self.provide()
        changed = self._remember_by(sticky)
        chosen = percent // STEP
        for number, link in enumerate(self._links):
            changed |= links.switch(link, _TO_CANDIDATE if number < chosen else _TO_LIVE)
        # Last, so that a first share begins in one step, whatever an interrupted one has left among the slots.
        changed |= links.switch(self._candidate, target)
        return changed

    def gather(self) -> bool:
        """Send everybody to the live release, in one step; whether anything changed.

        What an interrupted attempt has left behind is taken away, too.
        """
        if links.current(self._candidate) is None:
            return False
        changed = links.switch(self._candidate, LIVE)
        for link in self._links:
            changed |= links.switch(link, _TO_LIVE)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._cookie)
            changed = True
        return changed

    def sides(self) -> dict[str, str]:
        """Where each route of the access log leads now: ``candidate`` or ``live``, by route."""
        found: dict[str, str] = {LIVE: LIVE, CANDIDATE: CANDIDATE if self.candidate() else LIVE}
        for name, link in zip(NAMES, self._links):
            found[f"{FOLDER}/{name}"] = found[CANDIDATE] if links.current(link) == _TO_CANDIDATE else LIVE
        return found

    def _remember_by(self, sticky: str) -> bool:
        there = os.path.exists(self._cookie)
        if sticky == "cookie" and not there:
            atomic.write_text(self._cookie, "visitors are told their slot in a cookie\n", mode=0o644)
        elif sticky != "cookie" and there:
            os.unlink(self._cookie)
        return there != (sticky == "cookie")


def directives() -> t.Iterator[str]:
    """What nginx needs once, for all sites: the variables ``$lockstep_route`` and ``$lockstep_cookie``.

    Each server sets ``$lockstep_site``, and ``$lockstep_sticky`` to ``cookie`` or nothing.
    """
    yield """\
# Who asks without a cookie and signs each request, a program, is known by that.
map $http_authorization $lockstep_stranger {
    default $http_authorization;
    "" $request_id;
}

map $lockstep_sticky $lockstep_visitor {
    default $remote_addr;
    cookie $lockstep_stranger;
}
"""
    drawn = "".join(f"    {STEP}% {name};\n" for name in NAMES[:-1])
    yield f'split_clients "$lockstep_site $lockstep_visitor" $lockstep_drawn {{\n{drawn}    * {NAMES[-1]};\n}}\n'
    yield f"""\
map "$lockstep_sticky:$cookie_lockstep_slot" $lockstep_slot {{
    default $lockstep_drawn;
    "~^cookie:[01][0-9]$" $cookie_lockstep_slot;
}}

map $https $lockstep_secure {{
    default "";
    on "; Secure";
}}

map "$lockstep_sticky:$cookie_lockstep_slot" $lockstep_cookie {{
    default "";
    "~^cookie:[01][0-9]$" "";
    "~^cookie:" "lockstep_slot=$lockstep_drawn; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax$lockstep_secure";
}}

# Testers choose a side: by header, else by cookie.
map "$http_x_lockstep_side:$cookie_lockstep_side" $lockstep_route {{
    default {FOLDER}/$lockstep_slot;
    "~^{CANDIDATE}:" {CANDIDATE};
    "~^{LIVE}:" {LIVE};
    "~^:{CANDIDATE}$" {CANDIDATE};
    "~^:{LIVE}$" {LIVE};
}}
"""
