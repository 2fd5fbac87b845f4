# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""With what share of a unit's visitors its new release begins, and how that rises."""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records.model import CANARY

_ALL = 100
#: Seconds beyond what the server itself gives a share before it counts as dead (``site_phases.shift``).
_MARGIN = 3600
_LONGEST_HOLD = 31 * 24 * 3600
#: How far back rules look where it isn't said (``_judgement.rules``): minutes for errors, seconds for times.
_MINUTES = 3
_WINDOW = 180


def canonical(value: t.Any) -> t.Any:
    """A traffic strategy in its one spelling; S3 writes them in capitals."""
    return value.strip().lower().replace("-", "_") if isinstance(value, str) else value


def find_contradictions(options: t.Mapping[str, t.Any], strategy: str = "") -> dict[str, str]:
    """What is wrong with options that are right one by one, by the option that has to be another.

    Args:
        options: All options.
        strategy: The deployment's strategy.
    """
    steps = list(options["steps"])
    if any(later <= earlier for earlier, later in itertools.pairwise(steps)):
        return {"steps": f"found {_said(steps)}; expected shares that rise"}
    if options["traffic_strategy"] not in ("instant", "gradual") and not _below(steps):
        chosen = f"{_said(steps)} with traffic_strategy: {options['traffic_strategy']}"
        return {"steps": f"found {chosen}; expected one below 100"}
    return _inconclusive(options, strategy)


def _inconclusive(options: t.Mapping[str, t.Any], strategy: str) -> dict[str, str]:
    """That every share, or wave, would be taken back, because it can't last until anything is known."""
    least = concluding_seconds(options)
    shared = bool(shares(options)["steps"])
    if not (shared or strategy == CANARY) or options["on_inconclusive"] != "back" or options["step_wait"] >= least:
        return {}
    cause = f"traffic_strategy: {options['traffic_strategy']}" if shared else f"strategy: {strategy}"
    chosen = f"{options['step_wait']:g} with {cause} and on_inconclusive: back"
    return {
        "step_wait": f"found {chosen}, which would always go back: visitors' requests say nothing in less than "
        f"{least:g} s; expected at least that, or on_inconclusive: go_on, or rules that look back less far "
        "(minutes, latency_window)"
    }


def concluding_seconds(options: t.Mapping[str, t.Any]) -> float:
    """How long a share has to last until the rules can say anything of visitors' requests; 0 where they shall not."""
    rules = options["rules"]
    needed = {"error_rate": rules.get("minutes", _MINUTES) * 60, "latency_ratio": rules.get("latency_window", _WINDOW)}
    return float(max((needed[rule] for rule in needed if rules.get(rule, True) is not None), default=0))


def shares(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """How the visitors of each site are taken along.

    Returns:
        ``strategy``; ``steps``, the shares (percent) below all of them, none for all at once; ``hold``, whether the
        last one stays until somebody ends it; ``step_wait`` (s) and ``sticky``; ``longest``, the seconds after which it
        counts as dead.
    """
    strategy, below = options["traffic_strategy"], _below(options["steps"])
    steps = {"instant": [], "canary": below[:1]}.get(strategy, below)
    hold = strategy == "a_b_test"
    return {
        "strategy": strategy,
        "steps": steps,
        "hold": hold,
        "step_wait": options["step_wait"],
        "sticky": options["sticky"],
        "longest": len(steps) * 2 * options["step_wait"] + _MARGIN + (_LONGEST_HOLD if hold else 0),
    }


def seconds(options: t.Mapping[str, t.Any]) -> float:
    """How long the visitors of one site are shared out; of a share that is held nobody knows."""
    found = shares(options)
    return float(len(found["steps"]) * found["step_wait"])


def _below(steps: t.Iterable[int]) -> list[int]:
    return [int(step) for step in steps if step < _ALL]


def _said(steps: t.Iterable[int]) -> str:
    return ", ".join(str(step) for step in steps) or "none"
