# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pipes that carry whole databases."""

from __future__ import annotations

import fcntl
import os
import select
import typing as t

CHUNK = 1 << 20
_F_SETPIPE_SZ = 1031  # fcntl.F_SETPIPE_SZ, which Python has since 3.10


def widen(stream: t.IO[bytes]) -> None:
    """Give a pipe room for a megabyte, so that both ends rarely wait; unprivileged users may be allowed less."""
    try:
        fcntl.fcntl(stream.fileno(), _F_SETPIPE_SZ, CHUNK)
    except OSError:
        return


def chunks(stream: t.IO[bytes], patience: float | None = None) -> t.Iterator[bytes]:
    """What comes out of a pipe, piece by piece, until it ends.

    Args:
        stream: Its end to read from.
        patience: Seconds without any piece after which TimeoutError is raised; None waits for ever.
    """
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    while True:
        if patience is not None and not poll.poll(patience * 1000):
            raise TimeoutError
        data = os.read(stream.fileno(), CHUNK)
        if not data:
            return
        yield data
