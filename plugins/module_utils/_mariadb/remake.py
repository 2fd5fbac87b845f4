# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making a database's sequences, views, routines, triggers and events what a backup says they were."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import objects
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database, lock_wait
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.errors import DEFINER_REFUSED, DatabaseError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.objects import Definition
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.session import Session
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import listing

_LAST_FIRST = ("event", "trigger", "view")  # the rest depends on nothing that is dropped here


@dataclasses.dataclass
class Remade:
    """What was done.

    Attributes:
        changed: Made again or dropped.
        redefined: Belong to the current user now, since theirs may not be used.
        left_out: Views that were broken when they were backed up and can't be made again.
    """

    changed: list[str] = dataclasses.field(default_factory=list)
    redefined: list[str] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)


def never_back(wanted: t.Sequence[Definition], live: t.Sequence[Definition]) -> list[Definition]:
    """Let sequences go on from where they are, where tables keep rows that were written after the backup.

    Set back, a sequence would hand out numbers that those rows have. That some numbers are left out harms nobody.

    Args:
        wanted: What the backup has.
        live: What the database has now.
    """
    now = {one.name: one for one in live if one.kind == "sequence"}
    return [_further(one, now[one.name]) if one.kind == "sequence" and one.name in now else one for one in wanted]


def _further(saved: Definition, live: Definition) -> Definition:
    descends = "increment by -" in saved.statement.lower()
    choose = min if descends else max
    return dataclasses.replace(saved, next_value=str(choose(int(saved.next_value), int(live.next_value))))


def make_equal(
    database: Database,
    wanted: t.Sequence[Definition],
    kinds: t.Collection[str] | None = None,
    lock_timeout: float = 30.0,
) -> Remade:
    """Drop what is new, make what is missing or different. A second run does nothing.

    A trigger can't be made while somebody uses its table, and who comes meanwhile waits behind: not for ever.

    Args:
        database: The database, as its own user or an admin.
        wanted: All that there shall be, of all kinds.
        kinds: Only these kinds; None for all.
        lock_timeout: Seconds to wait for those who use a table, a view or a sequence.

    Raises:
        DatabaseError: The server refuses one, or somebody uses one for longer.
    """
    live = {one.key: one for one in objects.read(database, listing(database.query, database.name))}
    goal = {one.key: one for one in wanted}
    if kinds is not None:
        live = {key: one for key, one in live.items() if one.kind in kinds}
        goal = {key: one for key, one in goal.items() if one.kind in kinds}
    differing = {key for key, one in goal.items() if not one.same_as(live.get(key))}
    # The order of a table's triggers is the order in which they were made.
    tables = {one.table for key, one in {**live, **goal}.items() if one.kind == "trigger" and _differs(key, goal, live)}
    differing |= {key for key, one in goal.items() if one.kind == "trigger" and one.table in tables}
    done = Remade()
    with Session(database) as session:
        session.execute(f"SET SESSION {lock_wait(lock_timeout)}")
        for one in sorted(live.values(), key=_drop_order):
            if one.key not in goal or (one.key in differing and one.kind not in ("view", "sequence")):
                session.execute(one.dropped())
                if one.key not in goal:
                    done.changed.append(_label(one))
        _create(session, [one for key, one in goal.items() if key in differing], done)
    return done


def _differs(key: tuple[str, str], goal: t.Mapping[t.Any, Definition], live: t.Mapping[t.Any, Definition]) -> bool:
    return key not in goal or not goal[key].same_as(live.get(key))


def _drop_order(one: Definition) -> int:
    return _LAST_FIRST.index(one.kind) if one.kind in _LAST_FIRST else len(_LAST_FIRST)


def _create(session: Session, missing: list[Definition], done: Remade) -> None:
    """Views and triggers may refer to each other, so go round until a round makes nothing."""
    while missing:
        failed: list[tuple[Definition, DatabaseError]] = []
        for one in missing:
            try:
                if not _created(session, one):
                    done.redefined.append(_label(one))
            except DatabaseError as error:
                failed.append((one, error))
            else:
                done.changed.append(_label(one))
        if len(failed) == len(missing):
            _give_up(failed, done)
            return
        missing = [one for one, _ignored in failed]


def _give_up(failed: t.Sequence[tuple[Definition, DatabaseError]], done: Remade) -> None:
    """Only views that were broken already may be missing."""
    for one, reason in failed:
        if not one.broken:
            raise reason
        done.left_out.append(_label(one))


def _created(session: Session, one: Definition) -> bool:
    """Make one; whether it belongs to whom it belonged to."""
    try:
        for statement in one.created(as_before=True):
            session.execute(statement)
    except DatabaseError as error:
        if error.number not in DEFINER_REFUSED:
            raise
        for statement in one.created(as_before=False):
            session.execute(statement)
        return False
    return True


def _label(one: Definition) -> str:
    return f"{one.kind} {one.name}"
