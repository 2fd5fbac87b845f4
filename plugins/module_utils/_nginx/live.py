# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which release gets a site's traffic: links, and files that say who gets in at all.

``<root>/<8 hex>/`` of a site, on disk so that a reboot changes nothing, holds

``live``      a link to the socket folder of the release that is served,
``previous``  a link to the one served before it, for the assets of pages that were loaded from it,
``closed``    a file that exists while a deployment has the site show its maintenance page (freeze: full), and others
              by which operators close it; see :mod:`.gate`,

and the links that share visitors out between two releases; see ``slots``.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import socket
import time

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import gate, links
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.slots import Slots

ROOT = "/var/lib/lockstep/traffic"
WEB, REALTIME = "web.sock", "realtime.sock"

# sizeof(sun_path) is 108 on Linux, the last byte of which is 0 (unix(7)).
_LONGEST = 107
_POLL = 0.05
# State of a socket in /proc/net/unix (net/unix/af_unix.c, unix_seq_show): 2 waits to be accepted, 3 is connected.
_IN_USE = ("02", "03")
_UNIX_LINE = re.compile(r"^\S+ \S+ \S+ \S+ \S+ (\S+) +\d+ (/.*)$")


def short_id(text: str) -> str:
    """Eight hexadecimal digits for a name of any length, always the same ones."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def check_socket_path(path: str) -> str:
    """Return a path that the kernel takes for a unix socket.

    Raises:
        LockstepError: It is longer than 107 bytes.
    """
    length = len(os.fsencode(path))
    if length > _LONGEST:
        raise LockstepError(
            f"the socket {path} has a path of {length} bytes and {_LONGEST} is the most Linux takes",
            hint="choose a shorter folder for sockets",
        )
    return path


def listening(path: str) -> bool:
    """Whether somebody accepts connections on a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(check_socket_path(path))
        except OSError as error:
            # A full queue belongs to somebody who listens.
            return error.errno in (errno.EAGAIN, errno.EINPROGRESS)
    return True


def connections(path: str) -> int:
    """How many connections to a unix socket are open or wait to be accepted.

    nginx opens one per request, so this is the number of requests in flight on it.

    Args:
        path: The socket, also through links. It must be spelled as its server bound it once these are resolved.
    """
    wanted = os.path.realpath(path)
    count = 0
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as handle:
        for line in handle:
            found = _UNIX_LINE.match(line.rstrip("\n"))
            if found and found.group(1) in _IN_USE and os.path.realpath(found.group(2)) == wanted:
                count += 1
    return count


def wait_until_idle(path: str, timeout: float) -> int:
    """Wait until no request is in flight on a unix socket.

    Args:
        path: The socket of a release that gets no new requests.
        timeout: Seconds to wait at most.

    Returns:
        Connections that are still open: 0, or some when the time was up.
    """
    deadline = time.monotonic() + timeout
    while True:
        left = connections(path)
        if left == 0 or time.monotonic() >= deadline:
            return left
        time.sleep(_POLL)


class SiteTraffic:
    """The links of one site.

    Args:
        site: Its name.
        root: Folder of all sites' links.
    """

    def __init__(self, site: str, root: str = ROOT) -> None:
        self.site = site
        self.folder = os.path.join(root, short_id(site))
        self.live = os.path.join(self.folder, "live")
        self.previous = os.path.join(self.folder, "previous")
        self.gate = gate.Gate(self.folder)
        self.slots = Slots(self.folder)
        check_socket_path(os.path.join(self.slots.longest, REALTIME))

    def prepare(self) -> None:
        """Make the folder; nginx's workers must be able to read it."""
        links.open_folder(os.path.dirname(self.folder))
        links.open_folder(self.folder)
        self.slots.provide()

    def current(self) -> str | None:
        """The socket folder of the release that is served; None before the first one."""
        return links.current(self.live)

    def point(self, target: str) -> bool:
        """Say where visitors will be sent before nginx knows of the site; whether anything changed.

        Args:
            target: The socket folder of a release, where nobody needs to listen yet.
        """
        return links.switch(self.live, target)

    def switch(self, target: str) -> bool:
        """Send everybody to one release from the next request on, also if visitors were shared out before.

        Args:
            target: Its socket folder; its ``web.sock`` must be served already.

        Returns:
            Whether anything changed.

        Raises:
            LockstepError: Nobody answers there; the traffic stays where it is.
        """
        before = self.current()
        if before == target:
            candidate = self.slots.candidate()
            if candidate is not None and candidate != target:
                # Pages that were loaded from it still name its assets. After a promotion that was interrupted it is
                # the live one itself, and those of the one before are still found.
                links.switch(self.previous, candidate)
            return self.slots.gather()
        self._require_listening(target)
        if before is not None:
            links.switch(self.previous, before)
        links.switch(self.live, target)
        self.slots.gather()
        return True

    def share(self, target: str, percent: int, sticky: str) -> bool:
        """Send a share of the visitors to another release, the candidate, from their next request on.

        Args:
            target: Its socket folder; its ``web.sock`` must be served already.
            percent: How many of a hundred visitors.
            sticky: Whether visitors are told apart by ``cookie`` or by ``address``.

        Returns:
            Whether anything changed.

        Raises:
            LockstepError: Nobody answers there, or visitors can't be shared out so; the traffic stays where it is.
        """
        if self.current() == target:
            raise LockstepError(f"{self.site} is served by {target}, so no share can be sent there")
        self._require_listening(target)
        return self.slots.share(target, percent, sticky)

    def _require_listening(self, target: str) -> None:
        if not listening(os.path.join(target, WEB)):
            raise LockstepError(
                f"no process listens on {target}/{WEB}, so {self.site} is not switched to it",
                left="traffic stays where it was",
            )

    @property
    def closed(self) -> bool:
        """Whether visitors are kept out, whoever says so."""
        return self.gate.state() != gate.OPEN

    def close(self, by: str | None = None) -> bool:
        """Show the maintenance page from the next request on, for a deployment; whether anything changed."""
        return self.gate.close(gate.CLOSED, by)

    def reopen(self) -> bool:
        """Take away what :meth:`close` did, but not what an operator closed; whether anything changed."""
        return self.gate.open(gate.CLOSED)
