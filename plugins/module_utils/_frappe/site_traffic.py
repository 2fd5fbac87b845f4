# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site closed to its visitors by an operator, and opened again: believed when it was seen from outside."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import claims
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.fronts import Fronts, site_of
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._health import site as site_health
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import gate, outside

#: What an operator can ask for.
LIVE = "live"
STATES = (LIVE, gate.MAINTENANCE, gate.STOPPED)

_BY_OPERATOR = (gate.MAINTENANCE, gate.STOPPED)
_LOOK_AGAIN = 0.2


class Request(t.NamedTuple):
    """What an operator asks for.

    Args:
        state: One of :data:`STATES`.
        by: Who asks.
        reason: Why, for the status.
        allow: Addresses that get in during maintenance.
    """

    state: str
    by: str | None = None
    reason: str | None = None
    allow: tuple[str, ...] = ()


class SiteTrafficState:
    """Whether visitors get to one site.

    Args:
        context: Its bench.
        unit: Its unit.
        site: Its name.
        timeout: Seconds that the site may take to answer once it is open.

    Raises:
        LockstepError: It was not adopted, so nginx serves it by somebody else's configuration.
    """

    def __init__(self, context: BenchContext, unit: str, site: str, timeout: float = 30.0) -> None:
        if not context.record.exists() or site not in context.record.sites():
            raise LockstepError(
                f"site {site} was not adopted yet, so its traffic can't be moved",
                left="nothing was changed",
                hint="deploy it once, or change nginx's own configuration",
            )
        self._context = context
        self._unit = unit
        self._timeout = timeout
        self._live = LiveSite.find(context, site)
        self._gate = self._live.traffic.gate
        self._fronts = site_of(site, context.record.sites()[site]).fronts

    def look(self) -> dict[str, t.Any]:
        """``state`` (``live``, ``maintenance``, ``stopped``, or ``closed`` by a deployment), and who said so.

        Beside it ``by``, ``since``, ``reason``, ``allowed``, ``release`` and ``paused``, the share (percent) of the
        visitors that a deployment at work waits with until the site is live again.
        """
        found, slots = told(self._gate), self._live.traffic.slots
        shared = found["state"] in _BY_OPERATOR and slots.candidate() is not None
        is_paused = shared and claims.at_work(self._context.state_dir, self._unit) is not None
        paused = slots.percent() if is_paused else None
        return {**found, "release": self._live.release and self._live.release.id, "paused": paused}

    def differs(self, request: Request) -> bool:
        """Whether anything is not as asked for."""
        if request.state == LIVE:
            return self._gate.state() != gate.OPEN or bool(self._gate.allowed())
        others = [state for state in _BY_OPERATOR if state != request.state]
        told_reason = self._gate.told(request.state)["reason"]
        return (
            not self._gate.is_set(request.state)
            or any(self._gate.is_set(state) for state in others)
            or request.reason not in (None, told_reason)
            or self._gate.allowed() != sorted(request.allow)
        )

    def require_possible(self, request: Request) -> None:
        """Make sure that the site may be opened.

        Raises:
            LockstepError: A deployment closed it and is not finished, or the release would not answer.
        """
        if request.state != LIVE:
            return
        journal = claims.journal_of(self._context.state_dir, self._unit)
        if self._gate.is_set(gate.CLOSED) and journal.is_open:
            raise LockstepError(
                f"site {self._live.name} is closed by deployment {journal.deployment_id}, which is not finished",
                left="nothing was changed",
                hint="it opens by itself when that ends; if nobody is at it, roll it back: playbooks/rollback.yml "
                f"-e deployment_id={journal.deployment_id}",
            )
        problem = self._silent(self._live.direct())
        if problem:
            raise LockstepError(
                f"the release of {self._live.name} does not answer, so there is nothing to open: {problem}",
                left=f"nothing was changed, the site is {self.look()['state']}",
                hint="see to its processes first",
            )

    def change(self, request: Request) -> bool:
        """Do what is asked for, and see from outside that it is so, whether anything had to be changed or not.

        Returns:
            Whether anything changed.

        Raises:
            LockstepError: It could not be seen. A site that was to be closed stays marked as closed, one that was to
                be opened is closed again.
        """
        self.require_possible(request)
        if request.state == LIVE:
            return self._open()
        return self._close(request)

    def _close(self, request: Request) -> bool:
        changed = self.differs(request)
        # The new one first: there is no moment in which the site is open.
        self._gate.allow(request.allow)
        self._gate.close(request.state, request.by, request.reason)
        self._gate.open(*(state for state in _BY_OPERATOR if state != request.state))
        if self._seen():
            # A file of a version that didn't know this state.
            try:
                changed = Fronts(self._context).apply().changed or changed
                wrong = self._seen()
                if wrong:
                    raise LockstepError(f"visitors are not kept out everywhere: {wrong[0]}", detail=wrong)
            except LockstepError as error:
                error.left = f"{self._live.name} is marked as {request.state}, and visitors may get in still"
                raise
        return changed

    def _seen(self) -> list[str]:
        """What visitors see that they shouldn't; a deployment may have closed the site, too."""
        state = self._gate.state()
        allowed = self._gate.allowed() if state == gate.MAINTENANCE else ()
        return outside.refused(self._fronts, state, allowed)

    def _open(self) -> bool:
        closing = (*_BY_OPERATOR, gate.CLOSED)
        before = {state: self._gate.told(state) for state in closing if self._gate.is_set(state)}
        allowed = self._gate.allowed()
        changed = self._leave_nothing_behind()
        changed = self._gate.open(*_BY_OPERATOR) or changed
        problem = self._problem_outside()
        if problem:
            self._gate.allow(allowed)
            for state, known in before.items():
                self._gate.close(state, known["by"], known["reason"], known["since"])
            closed = " or ".join(before)
            raise LockstepError(
                f"{self._live.name} does not answer its visitors: {problem}",
                left=f"it is in {closed} again" if before else "it was open already",
            )
        return self._gate.allow(()) or changed

    def _leave_nothing_behind(self) -> bool:
        """Take away what a deployment closed that died, or was ended by hand."""
        if not self._gate.is_set(gate.CLOSED):
            return False
        with contextlib.closing(self._context.locks().at_work(self._unit)):
            self.require_possible(Request(LIVE))
            return self._gate.open(gate.CLOSED)

    def _problem_outside(self) -> str:
        """Why visitors don't get what they should; empty if they do."""
        deadline = time.monotonic() + self._timeout
        while True:
            wrong = outside.let_in(self._fronts)
            problem = wrong[0] if wrong else self._silent(self._live.outside())
            if not problem or time.monotonic() > deadline:
                return problem
            time.sleep(_LOOK_AGAIN)

    def _silent(self, transport: site_health.Transport) -> str:
        """Why the release that should answer doesn't; empty if it does."""
        release = self._live.release
        if release is None:
            return ""
        outcome = site_health.expected_release(transport, release.id)
        if outcome.passed or (self._live.site.refuses_readers() and _names(transport, release.id)):
            return ""
        return outcome.message


def told(found: gate.Gate) -> dict[str, t.Any]:
    """A gate's state for people, and who said so."""
    state = found.state()
    known = {"by": None, "since": None, "reason": None} if state == gate.OPEN else found.told(state)
    allowed = found.allowed() if state == gate.MAINTENANCE else []
    return {"state": LIVE if state == gate.OPEN else state, **known, "allowed": allowed}


def _names(transport: site_health.Transport, release: str) -> bool:
    """Whether a site in Frappe's own maintenance, which answers 503, does so from the right release."""
    try:
        answer = transport.ask(site_health.PING)
    except http.NoAnswer:
        return False
    return answer.headers.get(site_health.RELEASE_HEADER.lower()) == release
