# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Appends what a unit does to a file, one JSON line, then works a while: ``record.py FILE UNIT EVENT [SECONDS]``."""

from __future__ import annotations

import json
import os
import sys
import time


def record(path: str, unit: str, event: str) -> None:
    """Appends one event in a single write, so that units writing at once don't mix their lines.

    Args:
        path: The file.
        unit: The unit.
        event: What it does.
    """
    line = json.dumps({"at": time.monotonic_ns(), "unit": unit, "event": event}) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


if __name__ == "__main__":
    record(*sys.argv[1:4])
    if len(sys.argv) > 4:
        time.sleep(float(sys.argv[4]))
