# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A migration rehearsed on a copy, while the site's users work: whether it works, how long, and what it changes.

The last finished backup is restored into a scratch schema and brought up to date, and a scratch site in the new release
is migrated there as the real one would be. Whether the migration only adds things is decided by the rule of
:mod:`.impact`. Then the release is asked for the copy over HTTP, and all of it is removed again.
"""

from __future__ import annotations

import contextlib
import datetime
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import (
    freeze_estimate,
    impact,
    rehearsal_source,
    room,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import Options, SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.health import SiteHealth, failures
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.jobs import wait_for_jobs
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.orphan import end_orphan, identify
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.scratch_site import ScratchSite, copy_name
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import account, fingerprint, schema
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database

#: How much more than the database takes has to be free where its server keeps it: a migration rewrites tables.
ROOM = 1.5

#: Bytes of table data that are read for fingerprints, before and after; nobody waits for it.
_BUDGET = 8 << 30

#: For patches that have to know that they are only rehearsed.
_ENVIRONMENT = {"LOCKSTEP_REHEARSAL": "1"}


class NotRehearsed(LockstepError):
    """A migration can't be rehearsed here, which says nothing of the migration."""


def is_wanted(options: Options) -> bool:
    """Whether a rehearsal was asked for, or something that is decided by one."""
    decides = options.freeze == "auto" or bool(options.steps)
    return options.rehearsal == "always" or (options.rehearsal == "auto" and decides)


def told(found: t.Mapping[str, t.Any]) -> str:
    """What a user is told of a rehearsal, in a line.

    Args:
        found: As the journal has it.
    """
    if found["additive"] is None:
        return f"The migration was not rehearsed: {found['reason']}."
    if "source" not in found:
        return "The migration has nothing to do, so there was nothing to rehearse."
    source = found["source"]
    of = "a copy of its database" if source == rehearsal_source.LIVE else f"backup {source}"
    age = "" if source == rehearsal_source.LIVE else f", {_age(found['source_age'])} old, with what changed since"
    cloned = f", {found['clone_seconds']:.0f} s of them to clone the database" if "clone_seconds" in found else ""
    jobs = f" {_jobs(found['jobs'])} to end in that time, too, for as long as that takes." if found.get("jobs") else ""
    kind = "only adds things" if found["additive"] else f"does more than add things ({_first(found['reasons'])})"
    return (
        f"Rehearsed on {of}{age}: the migration works, takes {found['seconds']['migrate']:.0f} s and {kind}."
        f" Writes will be blocked for about {found['freeze_seconds']:.0f} s{cloned}.{jobs}"
    )


def _jobs(count: int) -> str:
    return "A job that the migration queues has" if count == 1 else f"{count} jobs that the migration queues have"


def _first(reasons: t.Sequence[str]) -> str:
    return reasons[0] + (f", and {len(reasons) - 1} more" if len(reasons) > 1 else "")


def _age(seconds: float) -> str:
    """An age as a person says it."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


class Rehearsal:
    """The rehearsal of one site's migration.

    Args:
        deployment: The site's deployment.
    """

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment
        self._seconds: dict[str, float] = {}

    def run(self, step: Step) -> dict[str, t.Any]:
        """Rehearse. What is made for it is written down before, and is gone afterwards whatever happens.

        Args:
            step: The journal's step of the phase it is part of.

        Returns:
            ``copy`` (its name), ``source`` (the backup's id, or ``live copy``), ``source_age`` (s), ``refreshed`` (how
            many tables came from the live database), ``seconds`` of ``restore``, ``migrate``, ``verify`` and, after a
            restored backup, ``refresh``; ``additive``, ``reasons`` (what is no addition, in words), ``touched_tables``,
            ``schema_difference``, ``checks`` with ``passed`` and ``failed``, ``freeze_seconds`` (the freeze to expect),
            ``clone_seconds`` (how much of that it takes to clone the database, where that is to be done), ``jobs`` (how
            many the migration queued that have to end in a freeze, where none before says how long), ``warnings``.

        Raises:
            NotRehearsed: Nobody is known who may make a scratch schema and an account for it.
            LockstepError: The migration fails, or the copy can't be made; nothing was changed.
        """
        self.remove(step)
        admin = self._admin()
        room.require_room(admin, self._deployment.database(), ROOM, "to rehearse on", "set rehearsal: never")
        step.note(rehearsal=copy_name(self._deployment.site.name, datetime.datetime.now(datetime.timezone.utc)))
        try:
            found = self._rehearse(step, admin)
        except BaseException:
            # Should this fail too, the undo of the phase tries it again and tells.
            with contextlib.suppress(LockstepError):
                self.remove(step)
            raise
        self.remove(step)
        return found

    def remove(self, step: Step) -> None:
        """Remove what a rehearsal left that was killed, or could not remove it itself.

        Raises:
            LockstepError: Something could not be removed.
        """
        name = step.intent.get("rehearsal")
        if name is None:
            return
        end_orphan(step.intent.get("process"))
        ScratchSite(self._deployment, self._admin(), name).remove()
        step.note(rehearsal=None, process=None)

    def _admin(self) -> Database:
        admin = self._deployment.admin()
        if admin is None:
            raise NotRehearsed(
                "nobody is known who may make a scratch schema beside the site's database",
                hint="give the bench a database.admin, or set rehearsal: never",
            )
        if not account.may_create(admin):
            raise NotRehearsed(
                f"{admin.user} at {admin.where} may make scratch schemas, but no accounts for them",
                hint="let database.admin have CREATE USER and the GRANT OPTION, or set rehearsal: never",
            )
        return admin

    def _rehearse(self, step: Step, admin: Database) -> dict[str, t.Any]:
        deployment = self._deployment
        site = ScratchSite(deployment, admin, step.intent["rehearsal"])
        copy = rehearsal_source.fill(deployment, site)
        site.link(deployment.new)
        changed = self._migrated(step, site, copy.database)
        checks = self._asked(site)
        earlier = deployment.journal.earlier()
        # Its content was proved, as a clone's is; of an older backup it takes about as long as of the next one.
        clone = copy.seconds["restore"] if deployment.clones else 0.0
        measured = freeze_estimate.Measured(
            settings=deployment.old.settings_age() + (deployment.new.settings_age() if deployment.clones else 0.0),
            backup=copy.dump_seconds if deployment.options.backup else 0.0,
            migrate=self._seconds["migrate"],
            verify=self._seconds["verify"],
            clone=clone,
        )
        seconds = {**copy.seconds, **self._seconds}
        return {
            "copy": site.name,
            "source": copy.source,
            "source_age": copy.age,
            "refreshed": copy.refreshed,
            "seconds": {name: round(part, 2) for name, part in seconds.items()},
            **changed,
            "checks": checks,
            "freeze_seconds": freeze_estimate.estimate(measured, earlier),
            **({"clone_seconds": round(clone, 1)} if deployment.clones else {}),
            "jobs": self._queued(site) if deployment.clones and freeze_estimate.exchanged(earlier) is None else 0,
            "warnings": copy.warnings,
        }

    def _queued(self, site: ScratchSite) -> int:
        """How many jobs the migration has put into the queue, where no worker takes them."""
        return len(wait_for_jobs(self._deployment.new, site.name, timeout=0).queued)

    def _migrated(self, step: Step, site: ScratchSite, copy: Database) -> dict[str, t.Any]:
        """Migrate and install as the real migration does, and say what that changed."""
        deployment = self._deployment
        before = schema.snapshot(copy)
        columns = impact.old_columns(before, before["tables"])
        prints = fingerprint.fingerprints(copy, columns, columns, budget_bytes=_BUDGET)
        began = impact.moment(copy)
        try:
            with self._timed("migrate"):
                if deployment.journal.data["reasons_to_migrate"]:
                    self._change(step, site, deployment.new, *deployment.migration)
                for app in deployment.new_apps:
                    self._change(step, site, deployment.new, "install-app", app)
        except LockstepError as error:
            raise LockstepError(
                f"the migration was rehearsed on a copy of the site and fails there: {error.message}",
                left="nothing was changed",
                hint="mend it and deploy again",
                detail=error.detail,
            ) from error
        after = schema.snapshot(copy)
        # Of an app that was installed nobody lists the tables it touched.
        names = None if deployment.new_apps else impact.touched_tables(copy, site.folder, began)
        touched = sorted(after["tables"] if names is None else names & after["tables"].keys())
        difference = schema.difference(before, after)
        compared = comparable(columns, touched, difference)
        now = fingerprint.fingerprints(copy, compared, compared, budget_bytes=_BUDGET)
        reasons = [*schema.objections(difference), *changed_rows({name: prints[name] for name in compared}, now)]
        return {
            "additive": not reasons,
            "reasons": reasons,
            "touched_tables": touched,
            "schema_difference": schema.named(difference),
        }

    def _asked(self, site: ScratchSite) -> dict[str, list[str]]:
        with self._timed("verify"):
            results = SiteHealth(self._deployment, site.name).look(self._deployment.after)
        failed = failures(results)
        passed = [result.name for result in results if result.passed]
        return {"passed": passed, "failed": failed}

    def _change(self, step: Step, site: ScratchSite, bench: Bench, *command: str) -> None:
        bench.change(
            site.name,
            *command,
            timeout=self._deployment.options.timeout,
            env=_ENVIRONMENT,
            started=lambda pid: step.note(process=identify(pid)),
        )

    @contextlib.contextmanager
    def _timed(self, part: str) -> t.Iterator[None]:
        began = time.monotonic()
        yield
        self._seconds[part] = time.monotonic() - began


def comparable(
    columns: t.Mapping[str, list[str]], touched: t.Collection[str], difference: t.Mapping[str, t.Any]
) -> dict[str, list[str]]:
    """The touched tables whose old rows can be compared: those whose old columns are what they were.

    What else became of the others is no addition, and is said already.

    Args:
        columns: The columns of before, by table.
        touched: Names of tables.
        difference: Of the schemas.
    """
    changed = difference.get("tables", {}).get("changed", {})
    remade = {name for name, table in changed.items() if set(table.get("columns", {})) - {"added"}}
    return {name: columns[name] for name in touched if name in columns and name not in remade}


def changed_rows(before: fingerprint.Fingerprints, after: fingerprint.Fingerprints) -> list[str]:
    """What fingerprints say of rows that were there before, in words; nothing of tables that are as they were."""
    _same, different, unknown = fingerprint.unchanged(before, after)
    said = [f"table {name}: {_rows(before[name] or '0', after[name] or '0')}" for name in different]
    return said + [f"table {name}: whether its rows were changed can't be compared" for name in unknown]


def _rows(before: str, after: str) -> str:
    more = fingerprint.rows(after) - fingerprint.rows(before)
    if more > 0:
        return f"{more} rows came, and others may have been changed"
    return f"{-more} rows went" if more else "rows were changed"
