# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of our access log, as nginx writes them."""

from __future__ import annotations

import json
import pathlib
import typing as t

SITE = "site1.local"


def line(time: float, **options: t.Any) -> str:
    """One line, ended.

    Args:
        time: When the request was answered.
        options: Fields that differ from those of a page that ``r1`` served through ``live`` in 0.05 s. A field that is
            None is left out, as in logs of earlier versions.
    """
    seconds = options.get("seconds", 0.05)
    fields = {
        "time": time,
        "site": SITE,
        "host": SITE,
        "client": "203.0.113.7",
        "method": "GET",
        "path": "/app",
        "status": 200,
        "bytes": 100,
        "seconds": 0.05,
        "upstream_seconds": f"{seconds:.3f}" if isinstance(seconds, float) else "",
        "release": "r1",
        "route": "live",
        "id": f"{int(time * 1000):032x}",
        **options,
    }
    return (
        json.dumps({name: value for name, value in fields.items() if value is not None}, separators=(",", ":")) + "\n"
    )


def append(path: pathlib.Path, *lines: str) -> None:
    """Add lines as nginx does: it keeps the file open, and whoever renames it takes them along."""
    with path.open("a", encoding="utf-8") as handle:
        handle.write("".join(lines))
