# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of the servers' records needs somebody, and what that one should do."""

from __future__ import annotations

import shlex
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model
from ansible_collections.lockstep.deploy.plugins.plugin_utils.plan_render import duration
from ansible_collections.lockstep.deploy.plugins.plugin_utils.traffic_choice import TRAFFIC, describe
from ansible_collections.lockstep.deploy.plugins.plugin_utils.verdict import ROLLBACK
from ansible_collections.lockstep.deploy.plugins.plugin_utils.watching import WATCH

Record = t.Mapping[str, t.Any]

#: Seconds between two calls of a controller that is well.
_GAP = 60.0


class Issue(t.NamedTuple):
    """Something that needs somebody, and what that one should do."""

    text: str
    action: str


def find(given: t.Sequence[Record], units: t.Sequence[Record], now: str) -> list[Issue]:
    """Everything that needs somebody.

    Args:
        given: The records, as :func:`status.report` gets them.
        units: The same units, as it tells of them.
        now: The time, RFC 3339 in UTC.
    """
    found = _unreachable(given)
    journals = [(record.get("info") or {}).get("journal") or {} for record in given]
    served = {journal["deployment_id"] for journal in journals if journal.get("at_work")}
    for record, unit in zip(given, units, strict=True):
        info = record.get("info")
        if info:
            found += _issues_of(info, unit, now, served)
        elif not record.get("unreachable"):
            error = str(unit["error"]).removeprefix(f"{unit['unit']}: ")
            found.append(Issue(f"{unit['unit']}: {error}", f"mend what keeps {unit['unit']} from being looked at"))
    return found


def _unreachable(given: t.Sequence[Record]) -> list[Issue]:
    by_server: dict[str, list[Record]] = {}
    for record in given:
        if record.get("unreachable"):
            by_server.setdefault(str(record.get("server")), []).append(record)
    return [
        Issue(
            f"server {server} can not be reached, so nothing is known of {len(lost)} units: {lost[0].get('error')}",
            f"make server {server} reachable, and ask again",
        )
        for server, lost in by_server.items()
    ]


def _issues_of(info: Record, unit: Record, now: str, served: t.Collection[str]) -> list[Issue]:
    name, state = unit["unit"], unit["state"]
    journal, lock = info.get("journal") or {}, info.get("lock") or {}
    found = []
    if lock.get("manual"):
        found.append(Issue(f"{name} was locked by hand by {lock['owner']}", f"unlock {name} when you know why it was"))
    if state.startswith(("half-done", "rollback failed")):
        why = journal.get("rollback_error") or journal.get("reason")
        text = f"deployment {journal['deployment_id']} of {name} is not finished: {state}{_unwatched(info)}"
        found.append(Issue(text + (f" ({why})" if why else ""), again(journal["deployment_id"], name)))
    elif state.startswith("between steps"):
        found += _left_alone(info, unit, now, served)
    elif journal.get("overdue"):
        text = f"{journal['phase']} of {name} takes longer than it may, since {journal['phase_at']}"
        found.append(Issue(text, f"look at the server of {name}"))
    found += _watched_in_vain(info, name)
    found += _kept_out(info, name, bool(journal.get("open")))
    if info.get("answers") is False:
        text = f"release {info['release']}, which serves {name}, does not accept connections"
        found.append(Issue(text, f"look at the processes of release {info['release']} on {unit['server']}"))
    return found


def _left_alone(info: Record, unit: Record, now: str, served: t.Collection[str]) -> list[Issue]:
    """That nobody is at work on a unit whose deployment is not finished, if its controller may be gone."""
    name, journal = unit["unit"], info["journal"]
    # Whether the controller still comes with the next step can't be seen from here.
    action = f"wait for the controller of {journal['deployment_id']}, or if that is gone: "
    action += again(journal["deployment_id"], name)
    if info.get("maintenance"):
        since = model.minute(journal.get("phase_at"))
        return [Issue(f"{name} is frozen since {since} at the latest, and nothing is at work on it", action)]
    idle = model.seconds_between(journal.get("phase_ended"), now)
    # A unit may have to wait for others of its deployment.
    if idle is None or idle <= _GAP or journal["deployment_id"] in served:
        return []
    text = f"deployment {journal['deployment_id']} of {name} is not finished: {unit['state']}"
    return [Issue(f"{text}, and nobody is at work on it for {duration(idle)}", action)]


def _unwatched(info: Record) -> str:
    """That visitors are on a new release whose deployment can't take them back any more, if they are."""
    split = info.get("split") or {}
    if split.get("state") != "abandoned":
        return ""
    release = split["candidate"]["release"]
    return f"; {split['percent']} % of its visitors are on release {release}, which nobody watches any more"


def _watched_in_vain(info: Record, name: str) -> list[Issue]:
    """That nobody took back what a rule said has to be, or that nobody knows whether one would."""
    watch, journal = info.get("watch") or {}, info.get("journal") or {}
    if journal.get("status") not in model.DONE or watch.get("deployment_id") != journal["deployment_id"]:
        return []
    if watch["status"] == "failed":
        why = "; ".join(watch["reasons"])
        text = f"{name} does badly since deployment {journal['deployment_id']}, which was not taken back: {why}"
        return [Issue(text, again(journal["deployment_id"], name))]
    if watch["status"] in ("abandoned", "broken"):
        text = f"the process is gone that was to watch {name} until {model.minute(watch['until'])}"
        if watch["status"] == "broken":
            text = f"{name} was not watched after its deployment: {'; '.join(watch['reasons'])}"
        return [Issue(text, f"{WATCH} -e deployment_id={journal['deployment_id']}, to watch it again")]
    return []


def _kept_out(info: Record, name: str, is_open: bool) -> list[Issue]:
    """Why visitors of a site don't get in, unless a deployment of it is at work."""
    traffic = info.get("traffic") or {}
    reopen = f"{TRAFFIC} -e state=live -e sites={shlex.quote(name)}"
    found = []
    if traffic.get("state") in ("stopped", "maintenance"):
        # It stays so when a deployment ends.
        found.append(
            Issue(f"{name} is closed to visitors: {describe(traffic)}", f"{reopen}   (when its time has come)")
        )
    elif info.get("closed") and not is_open:
        found.append(Issue(f"{name} shows its maintenance page, and no deployment of it is open", reopen))
    if info.get("maintenance") and not is_open and not found:
        action = f"bench --site {info['site']} set-maintenance-mode off, if nobody needs it"
        found.append(Issue(f"{name} is in maintenance mode, and no deployment of it is open", action))
    return found


def again(deployment_id: str | None, unit: str | None, *more: str) -> str:
    """The command that takes back a unit, or all of a deployment; a reason is asked for, so it has a place."""
    words = ["-e", f"deployment_id={deployment_id}"] if deployment_id else []
    words += [*more, *(["-e", f"only={unit}"] if unit else []), "-e", "reason=WHY"]
    return " ".join([ROLLBACK, *(shlex.quote(word) for word in words)])
