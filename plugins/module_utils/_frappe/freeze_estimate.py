# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For how long a site's users will not be able to write, as far as that can be said before."""

from __future__ import annotations

import typing as t

#: Seconds a freeze takes beside its backup, migration and checks: jobs and requests under way, traffic, thaw. Measured
#: (docs/benchmarks.md) where nobody was in the middle of anything.
_QUIET = 1.5

#: Seconds that a migrated clone takes to become the site's database: caches, and the exchange. Measured: from 1.3 on a
#: small site to 5.6 on a real and busy one. Jobs that an app's migration queues have to end before. Nobody runs
#: those of a copy, so only the site's own last exchange says what they take.
_EXCHANGE = 5.0


class Measured(t.NamedTuple):
    """What is known of a site before its freeze, in seconds.

    ``settings`` is how long processes go by old settings, ``backup``, ``migrate`` and ``verify`` what those phases
    took, or take as far as can be told from a copy. ``clone`` is what making a clone takes; 0 where there is none, and
    no exchange either.
    """

    settings: float
    backup: float
    migrate: float
    verify: float
    clone: float = 0.0


def estimate(measured: Measured, earlier: t.Sequence[t.Mapping[str, t.Any]]) -> float:
    """Estimate a freeze.

    The last freeze of this very site says best what it takes beside the migration. A site that never had one is
    estimated by its parts.

    Args:
        measured: What was measured on a copy.
        earlier: Journals of the site's deployments, oldest first.

    Returns:
        Seconds.
    """
    known = exchanged(earlier)
    exchange = (_EXCHANGE if known is None else known) if measured.clone else 0.0
    for content in reversed(earlier):
        rest = _beside_migration(content)
        if rest is not None:
            # A clone that was made then is part of what the migration took.
            return round(max(rest, measured.backup) + measured.clone + measured.migrate + exchange, 1)
    return round(sum(measured) + exchange + _QUIET, 1)


def exchanged(earlier: t.Sequence[t.Mapping[str, t.Any]]) -> float | None:
    """What the last exchange of a site took, with the jobs that it waited for, in seconds.

    Args:
        earlier: Journals of the site's deployments, oldest first.

    Returns:
        None where there was none yet.
    """
    known = [exchange for content in earlier if (exchange := _exchange(content))]
    return known[-1] if known else None


def _exchange(content: t.Mapping[str, t.Any]) -> float:
    """What an exchange took in a freeze of before; 0 where there was none."""
    switches = [step for step in content.get("steps", []) if step["phase"] == "switch"]
    return float((switches[-1].get("result") or {}).get("exchange_seconds") or 0.0) if switches else 0.0


def _beside_migration(content: t.Mapping[str, t.Any]) -> float | None:
    """What a freeze of before took beside its migration, and an exchange; None of one that nobody thawed."""
    whole = content.get("data", {}).get("freeze_seconds")
    migrations = [step for step in content.get("steps", []) if step["phase"] == "migrate" and "seconds" in step]
    if whole is None or not migrations:
        return None
    return max(0.0, float(whole) - float(migrations[-1]["seconds"]) - _exchange(content))
