# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""UTC for people, the time since boot for deadlines: the wall clock may jump, the other survives suspend."""

from __future__ import annotations

import datetime
import time

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def utc_now() -> str:
    """The time as RFC 3339 in UTC, with microseconds."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def told(seconds: float) -> str:
    """Seconds since 1970 as :func:`utc_now` writes them, to the second."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def parse(text: str) -> datetime.datetime:
    """The opposite of :func:`utc_now`."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def since_boot() -> float:
    """Seconds since this machine booted, suspended time included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """What tells one boot of this machine from the next."""
    with open(_BOOT_ID, encoding="ascii") as handle:
        return handle.read().strip()
