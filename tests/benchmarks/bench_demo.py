# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job as users see it: what the demo counts, and what a freeze costs beyond migration and dump."""

from __future__ import annotations

import json
import pathlib
import statistics
import subprocess
import sys

CLONE = pathlib.Path(__file__).parents[2]
DEMO = CLONE / "tests" / "support" / "demo.py"
FIGURES = CLONE / "build" / "demo.json"


def measure() -> dict[str, float]:
    """Run the demo once.

    Returns:
        ``demo_failed_reads``, ``demo_lost_writes`` over all sites, and ``freeze_excess_s``, the median of the sites'.

    Raises:
        RuntimeError: The deployment itself failed; its output is in the message.
    """
    done = subprocess.run([sys.executable, str(DEMO), "run"], cwd=CLONE, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the demo ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    (result,) = json.loads(FIGURES.read_text())
    excess = [site["freeze_excess"] for site in result["sites"].values() if site["freeze_excess"] is not None]
    return {
        "demo_failed_reads": float(result["failed_reads"]),
        "demo_lost_writes": float(result["lost_writes"]),
        "freeze_excess_s": statistics.median(excess),
    }
