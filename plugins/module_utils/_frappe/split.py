# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site's visitors on two releases: since when, how many, how either side serves them, and the word that ends it."""

from __future__ import annotations

import dataclasses
import math
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import clock
from ansible_collections.lockstep.deploy.plugins.module_utils._core.decision import Decision
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import claims
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.figures import (
    MINUTE,
    SHARES,
    Figures,
    Side,
    total,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.judge import INCONCLUSIVE, judge
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.rules import Rules
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sides import Sides
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.sources import LogSource, Source

PHASE = "shift"
#: Seconds that figures reach back at most: logs that were put aside are compressed after a day.
WINDOW = 24 * 3600.0

_LOOK_AGAIN = 0.5

PROMOTE, BACK = "promote", "back"
ENDS = (PROMOTE, BACK)
#: What a site's share can be: there is none; the new release is there for testers only; its share rises; it stays
#: until somebody ends it; somebody did, and it ends; the process that watched it is gone.
NONE, BEGINNING, RISING, HELD, ENDING, ABANDONED = "none", "beginning", "rising", "held", "ending", "abandoned"


class Both(t.NamedTuple):
    """Two releases that share a site's visitors, and where each way into the site leads (``Slots.sides``)."""

    candidate: Release
    live: Release
    leads: t.Mapping[str, str]


class Split:
    """How the visitors of a site are shared out. Looks only, but for :meth:`end`.

    Args:
        context: The bench.
        unit: The site's unit.
        site: The site's name.

    Raises:
        LockstepError: The unit can't be one, or its journal can't be read.
    """

    def __init__(self, context: BenchContext, unit: str, site: str) -> None:
        self._context = context
        self._unit = unit
        self._site = site
        self._journal = claims.journal_of(context.state_dir, unit)
        self._decision = Decision(context.unit_folder(unit))

    def state(self) -> dict[str, t.Any]:
        """What the records say.

        Returns:
            ``deployment_id`` (the newest deployment of the unit), ``state``, ``percent``, ``since``, ``holding``,
            ``decision`` (what was decided for it), ``candidate`` and ``live``, each with ``release`` and ``versions``.

        Raises:
            LockstepError: Visitors go to a release that nobody knows.
        """
        both = self._both()
        step = self._step()
        state = self._state(both, step)
        shared = both is not None and step is not None
        return {
            "deployment_id": self._journal.deployment_id,
            "state": state,
            "percent": self._context.traffic(self._site).slots.percent() if both else 0,
            "since": step.intent.get("since") if shared and step else None,
            "holding": state == HELD,
            "decision": self._decided(),
            "candidate": told(both.candidate) if both else None,
            "live": told(self._live()),
        }

    def look(self, window: float = WINDOW) -> dict[str, t.Any]:
        """The same, with what the visitors of both sides saw since this share began; see :func:`compare`.

        Args:
            window: Seconds that it reaches back at most; with 0 the log is not looked at.
        """
        found = self.state()
        both = self._both()
        if both is None or found["since"] is None or window <= 0:
            return {**found, "sides": None, "judgement": None}
        begun = clock.parse(found["since"]).timestamp()
        return {**found, **compare(self._context, self._site, both, begun, self._rules(), window)}

    def needs_end(self, *, promote: bool) -> bool:
        """Whether there is a share that was not ended yet as it shall be.

        All visitors can be taken back as long as somebody is at work, and taken to the new release while it is held.

        Raises:
            LockstepError: There is none, nobody is at work who could end it, or it was ended the other way.
        """
        found = self.state()
        if found["state"] == ABANDONED:
            raise self._refused(
                f"{found['percent']} % of the visitors are on release {found['candidate']['release']}, but the process "
                f"of deployment {found['deployment_id']} is gone, so nobody would hear it",
                f"only a rollback ends this: {self._rollback()}",
            )
        if found["state"] == BEGINNING and claims.at_work(self._context.state_dir, self._unit) is None:
            raise self._refused(
                f"{self._instead(found)}, and nobody is at work on the site who would hear it",
                f"wait until visitors follow, or if nobody deploys any more: {self._rollback()}",
            )
        decided = found["decision"]
        if decided is not None and self._holds_for(decided, found["state"], promote=promote):
            return False
        if found["state"] == ENDING and decided is not None:
            raise self._refused(f"{decided['by']} has ended it already, with {_word(decided)}: {decided['reason']}")
        on_its_way = found["state"] in (BEGINNING, RISING)
        if found["state"] != HELD and (promote or not on_its_way):
            hint = self._by_itself(found) if on_its_way else None
            raise self._refused(f"no share of its visitors is held: {self._instead(found)}", hint)
        return True

    def end(self, *, promote: bool, by: str, reason: str) -> None:
        """Have the deployment that shares visitors out take all of them to the new release, or all of them back.

        It takes its process some seconds to hear of it.

        Args:
            promote: Whether the new release gets them all.
            by: Who says so.
            reason: Why.
        """
        self._decision.take(str(self._journal.deployment_id), promote=promote, by=by, reason=reason)

    def await_end(self, timeout: float) -> dict[str, t.Any]:
        """Wait until nobody has to hear a word any more.

        Args:
            timeout: Seconds to wait at most; a look at a release takes some, and so do requests under way.

        Returns:
            See :meth:`state`; its ``state`` is ``ending`` if the time was up.
        """
        deadline = time.monotonic() + timeout
        while True:
            # The journal is read once only.
            found = Split(self._context, self._unit, self._site).state()
            if found["state"] in (NONE, ABANDONED) or time.monotonic() >= deadline:
                return found
            time.sleep(_LOOK_AGAIN)

    def _both(self) -> Both | None:
        """The releases that share the visitors; None while they are not shared."""
        slots = self._context.traffic(self._site).slots
        folder = slots.candidate()
        if folder is None:
            return None
        live = self._live()
        for release in self._context.record.releases():
            if live is not None and self._context.runtime(release).folder == folder:
                return Both(release, live, slots.sides())
        raise self._refused(f"a share of its visitors goes to {folder}, which no known release uses")

    def _live(self) -> Release | None:
        known = self._context.record.exists() and self._site in self._context.record.sites()
        return self._context.live_release(self._site) if known else None

    def _step(self) -> Step | None:
        """The phase that shares them out, if it began and nothing was taken back."""
        return self._journal.last(PHASE) if self._journal.content else None

    def _state(self, both: Both | None, step: Step | None) -> str:
        if both is None:
            return NONE
        is_at_work = claims.at_work(self._context.state_dir, self._unit) is not None
        if step is not None and not is_at_work:
            return ABANDONED
        if is_at_work and self._decided() is not None:
            return ENDING
        if step is None:
            return BEGINNING
        return HELD if step.intent.get("holding") else RISING

    def _decided(self) -> dict[str, t.Any] | None:
        return self._decision.of(str(self._journal.deployment_id))

    def _holds_for(self, decided: t.Mapping[str, t.Any], state: str, *, promote: bool) -> bool:
        """Whether just that was decided, and became of it or becomes of it."""
        if bool(decided["promote"]) != promote:
            return False
        return state == ENDING or self._journal.completed(PHASE) == promote

    def _instead(self, found: t.Mapping[str, t.Any]) -> str:
        """What a site's visitors do, where no share of them is held."""
        if found["state"] == RISING:
            return f"it rises still, and is {found['percent']} % since {found['since']}"
        if found["state"] == BEGINNING:
            return f"release {found['candidate']['release']} is there for testers only, as yet"
        live = f"all of them are on release {found['live']['release']}" if found["live"] else "it was not adopted yet"
        if not self._journal.content:
            return live
        return f"{live}, and deployment {found['deployment_id']} of it is {self._journal.status}"

    def _by_itself(self, found: t.Mapping[str, t.Any]) -> str:
        """When a share rises no further, what becomes of it then, and what can be done before."""
        options = self._journal.data.get("options", {})
        then = "the share is held" if options.get("hold") else "all visitors get to the new release"
        ends = "at its last step"
        if found["since"] is not None:
            left = sum(percent >= found["percent"] for percent in options.get("steps", ()))
            last = clock.parse(found["since"]).timestamp() + left * float(options.get("step_wait", 0))
            ends = f"at {clock.told(last)}, or some minutes later if too little can be concluded"
        back = f"playbooks/split.yml -e sites={self._site} -e end={BACK} -e reason=WHY"
        return f"{ends}, {then} by itself; to take all of them back now: {back}"

    def _rollback(self) -> str:
        return f"playbooks/rollback.yml -e deployment_id={self._journal.deployment_id} -e reason=WHY"

    def _rules(self) -> Rules:
        return Rules.from_mapping(self._journal.data.get("options", {}).get("rules") or {})

    def _refused(self, message: str, hint: str | None = None) -> LockstepError:
        return LockstepError(message, unit=self._unit, left="nothing was changed", hint=hint)


def compare(
    context: BenchContext, site: str, both: Both, begun: float, rules: Rules, window: float = WINDOW
) -> dict[str, t.Any]:
    """What the visitors of both sides saw.

    Args:
        context: The bench.
        site: The site's name.
        both: The two releases.
        begun: When they began to share, in seconds since 1970.
        rules: What tells a difference from noise.
        window: Seconds that it reaches back at most.

    Returns:
        ``sides`` with ``candidate`` and ``live``, each with ``requests``, ``errors``, ``error_rate`` (a share),
        ``p50``, ``p95``, ``p99`` (s); ``judgement`` with ``status``, ``reasons``, and the ``seconds`` that were looked
        at. Without a log that can be read no sides are known, which the judgement says.
    """
    now = time.time()
    since = max(begun, now - window)
    sides = Sides.beside(both.candidate.id, both.live.id, both.leads)
    log = context.access_log
    try:
        return summarise(LogSource(sides, since, site, path=log), rules, since, now)
    except (LockstepError, OSError) as error:
        # Who asks has moved visitors already, or is about to: that has to go on.
        why = error.message if isinstance(error, LockstepError) else str(error)
        nothing = {"status": INCONCLUSIVE, "reasons": [why], "seconds": round(now - since, 1)}
        return {"sides": None, "judgement": nothing}


def summarise(source: Source, rules: Rules, since: float, now: float) -> dict[str, t.Any]:
    """What a source knows of a time, as :func:`compare` returns it.

    Args:
        source: Where figures come from.
        rules: What tells a difference from noise; times are compared over all of the time, not the last minutes alone.
        since, now: The time, in seconds since 1970.
    """
    lasted = max(now - since, 0.0)
    minutes = max(math.ceil(lasted / MINUTE), rules.minutes)
    wide = dataclasses.replace(rules, minutes=minutes, latency_window=max(lasted, rules.latency_window))
    figures = source.figures(now, wide)
    verdict = judge(_lately(figures, rules), dataclasses.replace(wide, minutes=rules.minutes))
    judged = {"status": verdict.status, "reasons": list(verdict.reasons), "seconds": round(lasted, 1)}
    return {"sides": {"candidate": _side(figures.candidate), "live": _side(figures.baseline)}, "judgement": judged}


def _lately(figures: Figures, rules: Rules) -> Figures:
    """Errors are judged by the last minutes, whatever was before."""
    candidate, baseline = (
        side._replace(minutes=side.minutes[-rules.minutes :]) for side in (figures.candidate, figures.baseline)
    )
    return figures._replace(candidate=candidate, baseline=baseline)


def _side(side: Side) -> dict[str, t.Any]:
    count = total(side.minutes)
    rate = None if count.rate is None else round(count.rate, 4)
    times = {name: side.times.percentile(share) for name, share in SHARES.items()}
    return {"requests": count.requests, "errors": count.errors, "error_rate": rate, **times}


def told(release: Release | None) -> dict[str, t.Any] | None:
    """A release for people: ``release`` and ``versions``."""
    return None if release is None else {"release": release.id, "versions": release.versions()}


def _word(decided: t.Mapping[str, t.Any]) -> str:
    return PROMOTE if decided["promote"] else BACK
