# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a migration did to a site's data, and what users did after it: the grounds on which a site may go back.

The rule (DESIGN.md, "When one unit fails"): a site that was let write again goes back by itself only

(a) fully, if no table that the migration touched was written since, and none was made or dropped, or
(b) in code and traffic, data kept, if the migration was additive: the schema shows additions only, and no row that was
    there before was changed, but in tables by which Frappe keeps its own books.

What can't be known counts as written, and as changed.
"""

from __future__ import annotations

import datetime
import os
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, beneath, clock, folders
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import backups
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import fingerprint, schema, touched
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote, text
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.tables import listing, tables_of

# Written by a migration that has nothing to do, or the books of what was installed and migrated (measured).
BOOKKEEPING = frozenset(
    {
        # The index of its search, which it makes anew: a DocType that is synchronized loses its entry there.
        "__global_search",
        "tabDefaultValue",
        "tabDocField",
        "tabDocPerm",
        "tabDocType",
        "tabDocType Action",
        "tabDocType Link",
        "tabDocType State",
        "tabError Log",
        "tabInstalled Application",
        "tabModule Def",
        "tabPatch Log",
        "tabScheduled Job Type",
        "tabSingles",
        "tabVersion",
    }
)

#: What Frappe's scheduler notes whenever a job ran (frappe/core/doctype/scheduled_job_type): no user's doing, and every
#: migration touches the table.
_JOBS, _RAN = "tabScheduled Job Type", "last_execution"

#: What Frappe writes down at the end of a migration, in the site's folder.
_TOUCHED = "touched_tables.json"

#: Bytes of table data that are read for fingerprints while writes are blocked: about a second's worth.
_BUDGET = 256 * 1024 * 1024


class Judgement(t.NamedTuple):
    """Whether a site may go back by itself, how, and what restoring it would lose otherwise.

    ``loss`` has ``tables``, ``rows`` (None where it can't be known) and ``minutes`` since the thaw.
    """

    may_go_back: bool
    keep_data: bool
    reason: str
    loss: dict[str, t.Any]


def is_expected(deployment: SiteDeployment) -> bool:
    """Whether the deployment's migration has anything to do to the data, by what the journal holds of it."""
    migrate = deployment.journal.last("migrate")
    installs = migrate is not None and migrate.intent.get("install")
    return bool(deployment.journal.data["reasons_to_migrate"] or installs)


def begin(deployment: SiteDeployment) -> dict[str, t.Any]:
    """Take down what the database looks like before a migration.

    Returns:
        What :func:`end` and :func:`tables_to_restore` need, for the journal.
    """
    folder = _folder(deployment)
    folders.ensure(folder, mode=0o700)
    database = deployment.green_database()
    _touched_file(deployment, remove=True)
    if os.path.exists(os.path.join(folder, "after.json")):
        os.unlink(os.path.join(folder, "after.json"))
    atomic.write_json(os.path.join(folder, "before.json"), schema.snapshot(database))
    return moment(database)


def moment(database: Database) -> dict[str, t.Any]:
    """The moment before a migration: what is written from here on is its doing.

    Returns:
        ``moment`` (the server's clock) and ``empty`` (tables without a row), for :func:`touched.touched`; ``closed``
        (:attr:`touched.State.closed`), for :func:`written_since` and :func:`has_forgotten`.
    """
    state = touched.look(database)
    if state.just_written():
        # The server's times are whole seconds: what users wrote in this one would count as the migration's doing.
        time.sleep(1 - state.now % 1)
        state = touched.look(database)
    return {"moment": state.now, "empty": sorted(state.empty), "closed": state.closed}


def written_since(database: Database, began: t.Mapping[str, t.Any]) -> list[str] | None:
    """The tables that somebody wrote to since a moment; None where that isn't known: the server may have forgotten.

    Args:
        database: The database.
        began: From :func:`moment`.
    """
    state = touched.look(database)
    found = touched.written(began["moment"], state, began["empty"])
    return None if found is None or state.closed != began.get("closed") else sorted(found)


def has_forgotten(database: Database, began: t.Mapping[str, t.Any]) -> bool:
    """Whether the server may have forgotten that a table was written to since a moment.

    Args:
        database: The database.
        began: From :func:`moment`.
    """
    return touched.closed(database) != began.get("closed")


def old_columns(before: t.Mapping[str, t.Any], tables: t.Iterable[str]) -> dict[str, list[str]]:
    """The columns in which rows of before must be what they were, by table; bookkeeping and new tables have none.

    Args:
        before: The schema of before (:func:`schema.snapshot`).
        tables: Names of tables.
    """
    there = before["tables"]
    return {name: sorted(there[name]["columns"]) for name in tables if name in there and name not in BOOKKEEPING}


def touched_tables(database: Database, folder: str, began: t.Mapping[str, t.Any]) -> set[str] | None:
    """The tables that a migration touched; None for everything.

    Args:
        database: The database.
        folder: The site's data, where Frappe wrote them down.
        began: From :func:`moment`.
    """
    logged = touched.read_logs([_read(os.path.join(folder, _TOUCHED))])
    return touched.touched(logged, began["moment"], touched.look(database), empty_before=began["empty"])


def end(deployment: SiteDeployment) -> int:
    """Take down what a migration did, while nobody writes yet.

    Args:
        deployment: The site's deployment, its migration done.

    Returns:
        How many tables count as touched; 0 where there was nothing to do to the data.
    """
    migrate = deployment.journal.last("migrate")
    if migrate is None or not is_expected(deployment):
        return 0
    # Of an app that was installed nobody lists the tables it touched.
    began, everything = migrate.intent["began"], bool(migrate.intent["install"])
    folder = _folder(deployment)
    database = deployment.green_database()
    before = atomic.read_json(os.path.join(folder, "before.json"))
    after = schema.snapshot(database)
    found = tables_to_restore(deployment, began, everything=everything)
    names = sorted(after["tables"]) if found is None else sorted(set(found) & after["tables"].keys())
    columns = old_columns(before, names)
    compared = _compared(after["tables"])
    additive = not everything and schema.is_additive(schema.difference(before, after))
    content = {
        "tables": sorted(after["tables"]),
        "touched": names,
        "everything": found is None,
        "additive": additive,
        "compared": compared,
        "prints": fingerprint.fingerprints(database, names, compared, budget_bytes=_BUDGET),
        "old_columns": columns,
        "old_prints": fingerprint.fingerprints(database, columns, columns=columns, budget_bytes=_BUDGET)
        if additive
        else {},
    }
    atomic.write_json(os.path.join(folder, "after.json"), content)
    return len(names)


def tables_to_restore(
    deployment: SiteDeployment, began: t.Mapping[str, t.Any], *, everything: bool
) -> list[str] | None:
    """The tables a restore has to bring back; None for all. Also right for a migration that died half-way."""
    recorded = atomic.read_json(os.path.join(_folder(deployment), "after.json"))
    if everything or (recorded is not None and recorded["everything"]):
        return None
    if recorded is not None:
        # Since it was written down, users have written too: looking again would take their tables for the migration's.
        return list(recorded["touched"])
    names = touched_tables(deployment.green_database(), deployment.green.folder, began)
    return None if names is None else sorted(names)


def judge(deployment: SiteDeployment) -> Judgement:
    """Judge a site whose writes were stopped again, after its users had written for a while."""
    recorded = atomic.read_json(os.path.join(_folder(deployment), "after.json"))
    if recorded is None:
        if deployment.journal.completed("migrate") and not is_expected(deployment):
            return Judgement(True, True, "the migration changed nothing", {})
        return Judgement(False, False, "what the migration did is not known", _loss(deployment, [], None))
    compared = recorded.get("compared")
    database = deployment.database()
    now = fingerprint.fingerprints(database, recorded["touched"], compared, budget_bytes=_BUDGET)
    _same, different, unknown = fingerprint.unchanged(recorded["prints"], now)
    # A restore drops what came since, and brings back what went.
    made_or_dropped = set(tables_of(listing(database.query, database.name))) ^ set(recorded["tables"])
    written = sorted({*different, *unknown, *made_or_dropped})
    if not written:
        return Judgement(True, False, "no table that the migration touched was written since", {})
    loss = _loss(deployment, written, _new_rows(recorded["prints"], now, written))
    if recorded["additive"] and (was_shared(deployment) or _old_rows_unchanged(deployment, recorded)):
        return Judgement(
            True, True, "the migration only added things, so the old code works on the data as it is", loss
        )
    count = "1 table" if len(written) == 1 else f"{len(written)} tables"
    return Judgement(False, False, f"users may have written to {count} that a restore would put back", loss)


def obstacle_to_sharing(deployment: SiteDeployment) -> str | None:
    """Why the release before can't go on working beside the new one on the migrated data; None if it can.

    The same rule by which a site goes back in code alone: the migration only added things.
    """
    if not is_expected(deployment):
        return None
    recorded = atomic.read_json(os.path.join(_folder(deployment), "after.json"))
    if recorded is None:
        return "what the migration did is not known"
    if not recorded["additive"]:
        return "the migration did more than add things"
    if not _old_rows_unchanged(deployment, recorded):
        return "the migration changed rows that were there before, or that can't be ruled out"
    return None


def was_shared(deployment: SiteDeployment) -> bool:
    """Whether visitors were let to both releases, so that nothing of :func:`obstacle_to_sharing` was in the way."""
    step = deployment.journal.last("switch")
    return step is not None and step.result.get("percent") is not None


def _compared(tables: t.Mapping[str, t.Any]) -> dict[str, list[str]]:
    """The columns in which tables show what users did, where those aren't all of them."""
    if _JOBS not in tables:
        return {}
    return {_JOBS: sorted(column for column in tables[_JOBS]["columns"] if column != _RAN)}


def jobs_ran(deployment: SiteDeployment) -> dict[str, str]:
    """When each of the scheduler's jobs ran last, for :func:`note_jobs`."""
    rows = deployment.database().query(f"SELECT name, {_RAN} FROM {quote(_JOBS)} WHERE {_RAN} IS NOT NULL")
    return {str(name): str(ran) for name, ran in rows}


def note_jobs(deployment: SiteDeployment, ran: t.Mapping[str, str]) -> None:
    """Keep jobs that ran since from being due once more, after their table was restored."""
    statements = [
        f"UPDATE {quote(_JOBS)} SET {_RAN} = {text(moment)} WHERE name = {text(name)}"
        f" AND ({_RAN} IS NULL OR {_RAN} < {text(moment)})"
        for name, moment in ran.items()
    ]
    if statements:
        deployment.database().execute(*statements)


def forget(deployment: SiteDeployment) -> None:
    """Remove what a migration left behind, after its data was restored."""
    _touched_file(deployment, remove=True)


def _old_rows_unchanged(deployment: SiteDeployment, recorded: t.Mapping[str, t.Any]) -> bool:
    """Whether the rows of before the migration were the same after it, by the backup of before."""
    taken = deployment.journal.last("backup")
    admin = deployment.admin()
    if taken is None or "folder" not in taken.intent or admin is None:
        return False
    content = backups.read(taken.intent["folder"])
    saved = fingerprint.of_backup(
        admin,
        deployment.database(),
        os.path.join(taken.intent["folder"], "database"),
        content["database"],
        list(recorded["old_columns"]),
        recorded["old_columns"],
        budget_bytes=_BUDGET,
    )
    _same, different, unknown = fingerprint.unchanged(recorded["old_prints"], saved)
    return not different and not unknown


def _new_rows(before: fingerprint.Fingerprints, now: fingerprint.Fingerprints, tables: t.Sequence[str]) -> int | None:
    """How many rows came to tables; None where that can't be said: unknown tables, or rows that were only changed."""
    pairs = [(before.get(name), now.get(name)) for name in tables]
    if any(one is None or other is None for one, other in pairs):
        return None
    found = [fingerprint.rows(other or "0") - fingerprint.rows(one or "0") for one, other in pairs]
    return sum(found) if all(count > 0 for count in found) else None


def _loss(deployment: SiteDeployment, tables: t.Sequence[str], rows: int | None) -> dict[str, t.Any]:
    thaw = deployment.journal.last("thaw")
    since = clock.parse(thaw.intent["thawed_at"]) if thaw and "thawed_at" in thaw.intent else None
    now = datetime.datetime.now(datetime.timezone.utc)
    minutes = round((now - since).total_seconds() / 60, 1) if since else None
    return {"tables": list(tables), "rows": rows, "minutes": minutes}


def _folder(deployment: SiteDeployment) -> str:
    return os.path.join(deployment.backup_folder, "impact")


def _read(path: str) -> str | None:
    try:
        with beneath.reading(path) as handle:
            return handle.read()
    except (OSError, ValueError, LockstepError):
        # Nobody can say what was touched then, which means everything.
        return None


def _touched_file(deployment: SiteDeployment, *, remove: bool = False) -> str:
    """Where frappe writes the tables a migration touched: the site is passive then, its folder is the data itself."""
    path = os.path.join(deployment.green.folder, _TOUCHED)
    if remove and os.path.exists(path):
        os.unlink(path)
    return path
