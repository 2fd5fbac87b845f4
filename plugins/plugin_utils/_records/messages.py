# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the text log and the ledger's events say. People grep for these: they change only with a changelog entry."""

from __future__ import annotations

from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model, textlog

_LEVELS = {"failed": "error", "unreachable": "error", "problem": "error", "withheld": "warning"}


def level(event: model.Event) -> str:
    """``error``, ``warning`` or ``info``."""
    if event.kind == "check":
        return "error" if event.status == "failed" else "warning"
    if event.kind == "phase":
        return "error" if event.status == "failed" else "info"
    if event.kind == "finished" and event.status == "failed":
        return "error"
    return _LEVELS.get(event.kind, "info")


def begun(direction: str) -> str:
    """Said when units begin to move."""
    return "rollback begun" if direction == "reverse" else "deployment begun"


def planned(units: int, strategy: str | None) -> str:
    """Said when a plan is made."""
    return f"planned: {units} units, strategy {strategy or '-'}"


def text(event: model.Event) -> str:
    """An event in words, without time and place; empty when there is nothing to say."""
    if event.kind == "started":
        return "going back" if event.direction == "reverse" else "started"
    if event.kind == "phase":
        return _with_seconds(str(event.status), event.seconds)
    if event.kind == "check":
        return f"check {'failed' if event.status == 'failed' else 'overridden by force'}: {event.message}"
    if event.kind == "state":
        return f"is {event.state}" if event.state and event.state != "failed" else ""
    if event.kind == "withheld":
        return "withheld: not started"
    if event.kind == "finished":
        return "" if event.status == "failed" else "finished"  # why it failed was said before
    known = [part for part in (event.message, event.left, event.hint) if part]
    told = ". ".join(dict.fromkeys(part.rstrip(".") for part in known))
    return f"{'unreachable' if event.kind == 'unreachable' else 'failed'}: {told}"


def line(event: model.Event) -> str:
    """An event as a line of the text log; empty when there is nothing to say."""
    found = text(event)
    return textlog.line(event.at, level(event), found, event.unit, event.phase) if found else ""


def _with_seconds(status: str, seconds: float | None) -> str:
    return status if seconds is None else f"{status} after {seconds:.1f} s"
