# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules applied to figures. Pure: the same figures always get the same verdict."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._judgement import statistics
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import (
    MINUTE,
    SHARES,
    Count,
    Figures,
    Side,
    Times,
    total,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
ERRORS, LATENCY, HEALTH, DEPENDENCIES = "errors", "latency", "health", "dependencies"

# nginx counts milliseconds: a median of 0 is anything below.
_STEP = 0.001


class Condition(t.NamedTuple):
    """Something that must hold, and since when it doesn't.

    Attributes:
        name: What it is.
        ok: None when it could not be known.
        why: What was seen.
        seconds: How long it has not been ok.
    """

    name: str
    ok: bool | None
    why: str = ""
    seconds: float = 0.0


class Ruling(t.NamedTuple):
    """What one rule says.

    Attributes:
        rule: Its name.
        status: ``pass``, ``fail`` or ``inconclusive``.
        reason: Why, in a sentence.
        numbers: What that rests on.
    """

    rule: str
    status: str
    reason: str
    numbers: dict[str, t.Any]


class Verdict(t.NamedTuple):
    """What all rules say together.

    Attributes:
        status: ``fail`` if a rule failed, ``pass`` only if every one passed, else ``inconclusive``.
        reasons: The sentences that explain the status.
        numbers: Both sides' requests, errors and percentiles.
        rulings: What each rule says.
    """

    status: str
    reasons: tuple[str, ...]
    numbers: dict[str, t.Any]
    rulings: tuple[Ruling, ...]

    @property
    def passed(self) -> bool:
        """Every rule was satisfied."""
        return self.status == PASS

    @property
    def failed(self) -> bool:
        """The release must be taken back."""
        return self.status == FAIL

    @property
    def inconclusive(self) -> bool:
        """There is not enough data to say either."""
        return self.status == INCONCLUSIVE

    def ruling(self, rule: str) -> Ruling | None:
        """What one rule says; None where it was not asked."""
        return next((one for one in self.rulings if one.rule == rule), None)

    def as_dict(self) -> dict[str, t.Any]:
        """The verdict for a journal, a report or a module's answer."""
        return {
            "status": self.status,
            "reasons": list(self.reasons),
            "numbers": self.numbers,
            "rules": {
                one.rule: {"status": one.status, "reason": one.reason, "numbers": one.numbers} for one in self.rulings
            },
        }


def judge(
    figures: Figures,
    rules: Rules,
    health: Condition | None = None,
    dependencies: t.Sequence[Condition] = (),
    looks: int = 1,
) -> Verdict:
    """Apply the rules at one moment.

    Args:
        figures: Both sides.
        rules: The rules.
        health: Whether the release is healthy; None where nobody asks.
        dependencies: What it can't do without.
        looks: How often the same release is judged in all. Whoever looks often enough finds everything once, so the
            risk of ``significance`` is shared among them (Bonferroni).
    """
    rulings = []
    if rules.error_rate is not None:
        rulings.append(_errors(figures, rules, rules.error_rate))
    if rules.latency_ratio is not None:
        rulings.append(_latency(figures, rules, rules.latency_ratio, rules.significance / max(looks, 1)))
    if rules.unhealthy is not None and health is not None:
        rulings.append(_health(health, rules.unhealthy))
    if rules.gone is not None and dependencies:
        rulings.append(_dependencies(dependencies, rules.gone))
    status = together(one.status for one in rulings)
    reasons = tuple(f"{one.rule}: {one.reason}" for one in rulings if one.status == status)
    return Verdict(status, reasons or ("there is no rule to judge by",), _described(figures), tuple(rulings))


def together(statuses: t.Iterable[str]) -> str:
    """What several statuses come to: one that fails decides, and without any nothing is known."""
    found = set(statuses)
    if FAIL in found:
        return FAIL
    return PASS if found == {PASS} else INCONCLUSIVE


def _errors(figures: Figures, rules: Rules, most: float) -> Ruling:
    minutes = figures.candidate.minutes
    all_of_them = total(minutes)
    numbers: dict[str, t.Any] = {
        "requests_per_minute": [_rounded(one.requests) for one in minutes],
        "rates": [_rounded(one.rate) for one in minutes],
        "rate": _rounded(all_of_them.rate),
        "baseline_rate": _rounded(total(figures.baseline.minutes).rate),
        "before_rate": _rounded(figures.before_count.rate),
        "at_most": most,
    }
    if figures.age < rules.minutes * MINUTE:
        return Ruling(
            ERRORS, INCONCLUSIVE, f"traffic for {figures.age:.0f} s and not for {rules.minutes} minutes", numbers
        )
    if len(minutes) < rules.minutes or any(one.requests is None or one.errors is None for one in minutes):
        return Ruling(ERRORS, INCONCLUSIVE, f"no data for each of {rules.minutes} minutes", numbers)
    fewest = min(one.requests or 0 for one in minutes)
    if fewest < rules.min_requests:
        reason = f"a minute had {fewest:.0f} requests, and with fewer than {rules.min_requests} it says nothing"
        return Ruling(ERRORS, INCONCLUSIVE, reason, numbers)
    requests, errors = all_of_them.requests or 0, all_of_them.errors or 0
    interval = statistics.wilson(min(errors, requests), requests)
    numbers["interval"] = [_rounded(interval.lower), _rounded(interval.upper)]
    rates = ", ".join(f"{100 * (one.rate or 0):.1f}" for one in minutes)
    seen = f"{rates} % of the requests of {_plural(rules.minutes, 'minute')} failed, {100 * most:g} % may"
    if not all((one.rate or 0) > most for one in minutes):
        hidden = _hidden_errors(all_of_them, most, numbers)
        return Ruling(ERRORS, INCONCLUSIVE, hidden, numbers) if hidden else Ruling(ERRORS, PASS, seen, numbers)
    sure = f"with {100 * statistics.CONFIDENCE:g} % confidence more than {100 * interval.lower:.1f} %"
    if interval.lower <= most:
        return Ruling(ERRORS, INCONCLUSIVE, f"{seen}, but only {sure}", numbers)
    # Compared with the time before only: what both sides answer with errors now may be the new one's doing.
    earlier = figures.before_count
    if earlier.rate is not None and (earlier.requests or 0) >= rules.min_requests and interval.lower <= earlier.rate:
        reason = f"{seen}, but {100 * earlier.rate:.1f} % did before this release came, so it is no way out to go back"
        return Ruling(ERRORS, INCONCLUSIVE, reason, numbers)
    return Ruling(ERRORS, FAIL, f"{seen}; {sure}{_of_the_other(figures)}", numbers)


def _hidden_errors(count: Count, most: float, numbers: dict[str, t.Any]) -> str:
    """What must not pass for our requests' sake: they ask for what works, and outnumber the few users with errors."""
    users = count.users
    if not count.probes or not users.requests or not users.errors:
        return ""
    interval = statistics.wilson(min(users.errors, users.requests), users.requests)
    numbers["users_rate"] = _rounded(users.rate)
    if interval.lower <= most:
        return ""
    return (
        f"{users.errors:.0f} of {_plural(round(users.requests), 'request')} of users failed, {100 * most:g} % may; "
        "they are too few to take the release back, and too many for a pass"
    )


def _of_the_other(figures: Figures) -> str:
    """Errors that both sides have are not the candidate's doing; whoever reads of the rollback should know."""
    rate = total(figures.baseline.minutes).rate
    return "" if rate is None else f" (of the old release's {100 * rate:.1f} %)"


class _Pair(t.NamedTuple):
    """What is compared: like with like."""

    baseline: str
    requests: str
    mine: Times
    theirs: Times


def _pairs(figures: Figures) -> list[_Pair]:
    """What could be compared, the best first: the same time before another, users' requests before ours."""
    mine, theirs = figures.candidate, figures.baseline
    return [
        _Pair("same time", "users", mine.times, theirs.times),
        _Pair("time before", "users", mine.times, figures.before),
        _Pair("same time", "probes", mine.probe_times, theirs.probe_times),
    ]


def _latency(figures: Figures, rules: Rules, most: float, significance: float) -> Ruling:
    if figures.age < rules.latency_window:
        reason = f"traffic for {figures.age:.0f} s, and times are judged over {rules.latency_window:g} s"
        return Ruling(LATENCY, INCONCLUSIVE, reason, {"at_most": most})
    pairs = _pairs(figures)
    enough = [pair for pair in pairs if min(pair.mine.count, pair.theirs.count) >= rules.min_times]
    if not enough:
        best = max(pairs, key=lambda pair: min(pair.mine.count, pair.theirs.count))
        counts = {"requests": _rounded(best.mine.count), "baseline_requests": _rounded(best.theirs.count)}
        reason = (
            f"{best.mine.count:.0f} requests against {best.theirs.count:.0f} of the old release: "
            f"with fewer than {rules.min_times} a side nothing can be said"
        )
        return Ruling(LATENCY, INCONCLUSIVE, reason, {**counts, "at_most": most})
    return _compared(enough[0], rules, most, significance)


def _compared(pair: _Pair, rules: Rules, most: float, significance: float) -> Ruling:
    mine, theirs = pair.mine.percentile(0.5), pair.theirs.percentile(0.5)
    numbers: dict[str, t.Any] = {
        "compared_with": pair.baseline,
        "compared": pair.requests,
        "requests": _rounded(pair.mine.count),
        "baseline_requests": _rounded(pair.theirs.count),
        "median": _rounded(mine),
        "baseline_median": _rounded(theirs),
        "at_most": most,
        "significance": significance,
    }
    if mine is None or theirs is None:
        return Ruling(LATENCY, INCONCLUSIVE, "the medians are not known", numbers)
    ratio = max(mine, _STEP) / max(theirs, _STEP)
    numbers["ratio"] = _rounded(ratio)
    seen = f"a median of {mine:.3f} s is {ratio:.2f} times the {theirs:.3f} s of the old release ({pair.baseline})"
    if ratio <= most or mine - theirs <= rules.min_slowdown:
        return Ruling(LATENCY, PASS, f"{seen}, {most:g} times are allowed", numbers)
    ours, others = pair.mine.ranks(), pair.theirs.ranks()
    if ours is None or others is None:
        reason = f"{seen}, more than {most:g} times, and nothing is known that tells it from chance"
        return Ruling(LATENCY, INCONCLUSIVE, reason, numbers)
    p = statistics.mann_whitney(ours, others).p
    numbers["p"] = p
    if p < significance:
        return Ruling(LATENCY, FAIL, f"{seen}, more than {most:g} times (p = {p:.2g})", numbers)
    return Ruling(
        LATENCY, INCONCLUSIVE, f"{seen}, more than {most:g} times, but it may be chance (p = {p:.2g})", numbers
    )


def _health(health: Condition, most: float) -> Ruling:
    numbers = {"unhealthy_for": round(health.seconds, 1), "at_most": most}
    if health.ok:
        return Ruling(HEALTH, PASS, health.why or "healthy", numbers)
    if health.ok is None:
        return Ruling(HEALTH, INCONCLUSIVE, f"not known: {health.why}", numbers)
    reason = f"unhealthy for {health.seconds:.0f} s, {most:g} s are allowed: {health.why}"
    return Ruling(HEALTH, FAIL if health.seconds > most else INCONCLUSIVE, reason, numbers)


def _dependencies(dependencies: t.Sequence[Condition], most: float) -> Ruling:
    numbers: dict[str, t.Any] = {
        "gone_for": {one.name: round(one.seconds, 1) for one in dependencies if not one.ok},
        "at_most": most,
    }
    away = [one for one in dependencies if one.ok is False]
    unknown = [one for one in dependencies if one.ok is None]
    if not away and not unknown:
        return Ruling(DEPENDENCIES, PASS, f"{', '.join(one.name for one in dependencies)} there", numbers)
    told = "; ".join(
        f"{one.name} {'is not known' if one.ok is None else f'gone for {one.seconds:.0f} s'}: {one.why}"
        for one in away or unknown
    )
    failed = any(one.seconds >= most for one in away)
    return Ruling(DEPENDENCIES, FAIL if failed else INCONCLUSIVE, told, numbers)


def _described(figures: Figures) -> dict[str, t.Any]:
    sides = {"candidate": _side(figures.candidate), "baseline": _side(figures.baseline)}
    return {**sides, "before": _times(figures.before)}


def _side(side: Side) -> dict[str, t.Any]:
    count = total(side.minutes)
    return {
        "minutes": len(side.minutes),
        "requests": _rounded(count.requests),
        "errors": _rounded(count.errors),
        "error_rate": _rounded(count.rate),
        "probes": _rounded(count.probes),
        "users": _times(side.times),
        "probe_times": _times(side.probe_times),
    }


def _times(times: Times) -> dict[str, t.Any]:
    found = {name: _rounded(times.percentile(share)) for name, share in SHARES.items()}
    return {"requests": _rounded(times.count), **found}


def _rounded(value: float | None) -> float | None:
    """A number as people and JSON take it: what isn't one is None."""
    if value is None or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else round(value, 4)


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
