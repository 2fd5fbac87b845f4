# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A clone of a site's database, for the release that it goes to, migrated while readers stay with the release before.

The new release has the site under its own name: what its patches put into the queue carries that. So the site's passive
link in the new bench leads to a folder of links for as long, whose configuration names the clone and an account that
reaches nothing else. What becomes of the clone afterwards is said in :mod:`.green_exchange`.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic, folders
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import backups, impact, rehearsal_source, room
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.cache import forget_database
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.jobs import discard_jobs
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.scratch_site import copy_name, do_all
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import (
    account,
    exchange,
    live_copy,
    load,
    objects,
    tables,
    verify,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.remake import make_equal

_PURPOSE = "green"

#: How much more than the database takes has to be free: a copy, and a migration that writes it anew.
ROOM = 2.0

#: What differs in the clone's configuration by its nature.
_PLACE = ("db_name", "db_user", "db_password")

_INSTEAD = "set green_database: shared"


def require_admin(deployment: SiteDeployment) -> Database:
    """Who makes schemas and accounts beside the site's database.

    Raises:
        LockstepError: Nobody is known who may.
    """
    admin = deployment.admin()
    if admin is None:
        raise LockstepError(
            "nobody is known who may make a schema beside the site's database for its clone",
            hint=f"give the bench a database.admin, or {_INSTEAD}",
        )
    if not account.may_create(admin):
        raise LockstepError(
            f"{admin.user} at {admin.where} may make schemas, but no accounts for a clone of the site's database",
            hint=f"let database.admin have CREATE USER and the GRANT OPTION, or {_INSTEAD}",
        )
    return admin


class Green:
    """The clone of one site.

    Args:
        deployment: The site's deployment.
    """

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment
        self._linked = 0.0

    def require_possible(self) -> None:
        """Make sure that there can be a clone, before anybody is frozen.

        Raises:
            LockstepError: There can't.
        """
        deployment = self._deployment
        if deployment.before.id == deployment.after.id:
            raise LockstepError(
                f"the site stays on release {deployment.after.id}, so there is no green to migrate a clone for",
                left="nothing was changed",
                hint=_INSTEAD,
            )
        admin, database = require_admin(deployment), deployment.database()
        there = tables.listing(database.query, database.name)
        _refuse(
            [f"table {name}" for name, table in there.items() if table.versioned],
            "keeps its history, which a copy would not have",
        )
        schema = admin.schema(database.name)
        bound = exchange.bound_to_itself(schema, exchange.Content.of(schema))
        _refuse(bound, "names the database that it is in, and would go on to do so in a clone")
        _refuse(exchange.bound_to_others(admin, database.name), "would go with the tables of before")
        room.require_room(admin, database, ROOM, "that is migrated beside it", _INSTEAD)

    def make(self, step: Step) -> dict[str, t.Any]:
        """Make the clone, and let the new release have it as the site. What an attempt before has left is removed.

        Args:
            step: The journal's step of the migration; names the clone before there is anything of it.

        Returns:
            ``clone`` (its name) and ``clone_seconds``.

        Raises:
            LockstepError: It can't be made, or is not what it was made of.
        """
        deployment = self._deployment
        self.remove()
        began = time.monotonic()
        name = copy_name(deployment.site.name, datetime.datetime.now(datetime.timezone.utc))
        step.note(clone=name)
        own = self._filled(step)
        place = {"db_name": own.name, "db_user": own.user, "db_password": own.password}
        config = {**deployment.site.config(), **place}
        folder = os.path.join(deployment.context.layout.clones, name)
        deployment.placement.clone(folder, json.dumps(config, indent=1, sort_keys=True))
        deployment.placement.lead(deployment.new, folder)
        self._linked = time.monotonic()
        return {"clone": name, "clone_seconds": round(time.monotonic() - began, 3)}

    def await_settings(self) -> None:
        """Wait until no process of the new release goes by the site's configuration of before any more."""
        age = self._deployment.new.settings_age()
        time.sleep(max(0.0, self._linked + age - time.monotonic()))

    def changed_settings(self) -> set[str]:
        """The settings in which the clone differs from the site by what the deployment, or its migration, has set."""
        site, green = self._deployment.site.config(), self._deployment.green.config()
        names = {*site, *green}.difference(_PLACE)
        return {name for name in names if (name in site, site.get(name)) != (name in green, green.get(name))}

    def remove(self) -> None:
        """Remove all of it, and what its migration has put into the queue, however far it was made.

        Raises:
            LockstepError: Something could not be removed; all else was.
        """
        folder = self._deployment.clone_folder
        if folder is not None:
            # Jobs first: one that begins later must not find the site's own database under the site's name.
            do_all(lambda: self._discard_jobs(folder), lambda: self._unlink(folder), self.take_down)

    def take_down(self) -> None:
        """Remove schema, account and folder, which nobody is led to any more.

        Raises:
            LockstepError: Something could not be removed; all else was.
        """
        own = self._own()
        do_all(self._remove_folder, own.drop_account, own.drop, lambda: self._forget(own.name))

    def schema(self) -> Database:
        """The clone's schema as the admin."""
        return require_admin(self._deployment).schema(self._own().name)

    def _own(self) -> account.OwnSchema:
        return account.OwnSchema(require_admin(self._deployment), self._deployment.database(), _PURPOSE)

    def _filled(self, step: Step) -> Database:
        """The clone's database, of one moment since which the journal knows that nobody may have written.

        The backup that was just taken is restored, by what proves it. What somebody wrote since, a job that a reader
        has started for example, is copied from the database itself; and so is all of it where no backup was taken.
        """
        deployment, live = self._deployment, self._deployment.database()
        taken = deployment.journal.last("backup")
        if taken is None or "moment" not in taken.intent:
            raise LockstepError("the journal does not know since when nobody writes to the site")
        since, own, digests = taken.intent["moment"], self._own(), dict[str, str]()
        if deployment.options.backup:
            schema, user, digests = self._restored(own, taken.intent["folder"])
            if impact.written_since(live, since) == []:
                step.note(unwritten_since=since)
                self._keep(digests)
                return user
        else:
            schema, user = own.make(*exchange.defaults(live))
        step.note(unwritten_since=impact.moment(live))
        copied = live_copy.bring_up_to_date(live, schema, user)
        fresh = load.contents(live, copied)
        load.prove(schema, fresh)
        there = tables.tables_of(tables.listing(schema.query, schema.name))
        self._keep({name: digest for name, digest in {**digests, **fresh}.items() if name in there})
        return user

    def _keep(self, digests: t.Mapping[str, str]) -> None:
        """Write down what the clone is a clone of, for whom the server's own times don't suffice."""
        atomic.write_json(self._digests, digests)

    def differing(self, database: Database) -> list[str]:
        """The tables in which a database is not what the clone was made of, whatever the server knows of them.

        Args:
            database: The site's database, or the schema to which its tables were moved.
        """
        known: dict[str, str] = atomic.read_json(self._digests)
        there = tables.tables_of(tables.listing(database.query, database.name))
        now = load.contents(database, known.keys() & there)
        return sorted({*(known.keys() ^ set(there)), *(name for name, digest in now.items() if digest != known[name])})

    @property
    def _digests(self) -> str:
        return os.path.join(self._deployment.backup_folder, "clone.json")

    def _restored(self, own: account.OwnSchema, folder: str) -> tuple[Database, Database, dict[str, str]]:
        manifest, dumped = backups.read(folder)["database"], os.path.join(folder, "database")
        schema, user, digests = rehearsal_source.filled(dumped, manifest, own)
        # By the admin: where the server logs for replication, nobody else may make triggers.
        make_equal(schema, objects.defined_by(verify.read_objects(dumped, manifest), objects.account_of(user)))
        return schema, user, digests

    def _unlink(self, folder: str) -> None:
        deployment = self._deployment
        if deployment.placement.leads_to(deployment.new) == folder:
            deployment.placement.remove_passive(deployment.new)

    def _discard_jobs(self, folder: str) -> None:
        # Where Redis is down, so are the workers.
        with contextlib.suppress(LockstepError):
            discard_jobs(self._deployment.new, self._deployment.site.name, os.path.basename(folder))

    def _remove_folder(self) -> None:
        folder = self._deployment.clone_folder
        if folder is not None and os.path.isdir(folder):
            folders.remove_tree(folder, self._deployment.context.layout.clones)

    def _forget(self, name: str) -> None:
        with contextlib.suppress(LockstepError):
            forget_database(self._deployment.new, name)


def _refuse(hindering: t.Sequence[str], reason: str) -> None:
    if hindering:
        raise LockstepError(
            f"the site's database can't be cloned: {hindering[0]} {reason}",
            left="nothing was changed",
            hint=_INSTEAD,
            detail=list(hindering),
        )
