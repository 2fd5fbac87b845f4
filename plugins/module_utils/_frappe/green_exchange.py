# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A migrated clone made the site's own database, and the way back from there.

One statement moves the site's tables to a schema beside, called blue here, and the clone's to the site's own database,
whose name, account and configuration stay what they are. Whether that was done is told by where tables lie, and never
by what was meant to be done: a kill may come between the statement and what is written down of it. Until writes are let
in the same statement takes it back. After that blue is of a time before users' writes, and nobody needs it.
"""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Step
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import impact
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.cache import clear_cache
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.deployment import SiteDeployment
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.green import Green, require_admin
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases.freeze import drain_jobs
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb import objects, scratch, tables, touched
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.client import Database
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.exchange import (
    Content,
    WholeExchange,
    bound_to_itself,
    tied,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.orphans import end_orphans
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.remake import Remade
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.schema import snapshot

_PURPOSE = "blue"

#: What the result of a switch has whose tables were exchanged back.
EXCHANGED_BACK = "exchanged_back"


class GreenExchange:
    """The exchange of one site's database with its clone.

    Args:
        deployment: The site's deployment, which makes a clone.
    """

    def __init__(self, deployment: SiteDeployment) -> None:
        self._deployment = deployment
        self._green = Green(deployment)
        self._admin = require_admin(deployment)
        self._database = deployment.database()
        self._blue = self._admin.schema(scratch.scratch_name(self._database, _PURPOSE))
        self._contents = os.path.join(deployment.backup_folder, "exchange.json")

    def is_done(self) -> bool:
        """Whether the site's tables are those that were the clone's."""
        if not self._begun():
            return False
        if self._is_past():
            return True
        # Its client may have been killed while the statement waits for somebody who uses a table.
        end_orphans(self._admin, self._database.name)
        return bool(tables.tables_of(tables.listing(self._admin.query, self._blue.name)))

    def run(self, step: Step) -> dict[str, t.Any]:
        """Make the migrated clone the site's database; readers find the one or the other.

        Args:
            step: The journal's step of the switch.

        Returns:
            ``exchange_seconds``, and what could not be made as it was: ``redefined`` and ``left_out``
            (:class:`.Remade`). Until visitors are taken to the new release, the one before reads what was migrated.

        Raises:
            LockstepError: Somebody could have written, or has, since the clone was made. Or jobs of the migration don't
                end, or somebody uses a table for too long.
        """
        deployment, began = self._deployment, time.monotonic()
        whole = WholeExchange(self._database, self._admin)
        if self.is_done():
            remade = whole.settle(self._content("after"))
        else:
            # What the migration has put into the queue works on the clone, and must find it there.
            drain_jobs(deployment, deployment.new)
            drain_jobs(deployment, deployment.old)
            self._hand_over()
            remade = self._exchanged(step, whole)
        seconds = round(time.monotonic() - began, 3)
        return {"exchange_seconds": seconds, "redefined": remade.redefined, "left_out": remade.left_out}

    def finish(self) -> None:
        """Remove what is left of the clone, once visitors are on the new release.

        Raises:
            LockstepError: Somebody wrote to the tables of before in the very moment of the exchange.
        """
        _refuse(self._written_before())
        self._green.take_down()

    def undo(self) -> bool:
        """Put the site's own tables back, unless users may have written since: then the rollback decides.

        A table that somebody wrote to behind the freeze stays, if the migration did not touch it: a restore would leave
        it alone as well.

        Returns:
            Whether tables were exchanged back.

        Raises:
            LockstepError: Somebody uses a table for too long.
        """
        if not self._begun() or not os.path.exists(self._contents):
            return False
        before, whole = self._content("before"), WholeExchange(self._database, self._admin)
        if not self.is_done():
            # It may have been killed right before the statement, with triggers dropped.
            whole.settle(before.going_on_from(Content.of(self._admin.schema(self._database.name))))
            return False
        if self._deployment.was_thawed:
            return False
        green = scratch.make_schema(self._admin, self._green.schema().name, before.charset, before.collation)
        whole.run(before, self._blue, green, self._written_after())
        return True

    def drop_blue(self) -> None:
        """Drop what the site's tables were before, once nobody needs it; there need not be any.

        Raises:
            LockstepError: They are all there is of the site's data, which must not happen.
        """
        if not self.is_done():
            scratch.clear_schema(self._admin, self._blue.name)
            return
        if not self._deployment.was_thawed:
            raise LockstepError(f"schema {self._blue.name} is the way back of {self._database.name}: not dropped")
        scratch.clear_schema(self._admin, self._blue.name)

    def _begun(self) -> list[dict[str, t.Any]]:
        """When each attempt at it began, as :func:`.impact.moment` has moments; none if there was no attempt."""
        switches = [step.intent for step in self._deployment.journal.steps() if step.phase == "switch"]
        return [intent["exchange"] for intent in switches if "exchange" in intent]

    def _is_past(self) -> bool:
        """Whether users have written since to what was the clone's: nothing is exchanged back from there on.

        Blue says nothing any more, since nobody needs it: another deployment may have taken its place, or somebody who
        cleans up may have dropped it.
        """
        switches = [step.result for step in self._deployment.journal.steps() if step.phase == "switch"]
        exchanged = any("exchange_seconds" in one and not one.get(EXCHANGED_BACK) for one in switches)
        return exchanged and self._deployment.was_thawed

    def _hand_over(self) -> None:
        """Let the new release have the site itself, and the site what the release made for it outside of the database.

        Before the exchange: nobody visits the new release yet, and its processes have time to notice.
        """
        deployment, folder = self._deployment, self._deployment.clone_folder
        if folder is None:
            raise LockstepError("the journal does not know the clone of the site's database")
        if deployment.placement.leads_to(deployment.new) == folder:
            self._take_settings()
            deployment.placement.lead(deployment.new, deployment.placement.data)
        if os.path.isdir(folder):
            deployment.placement.collect(folder)
        # What it may know of the site from a deployment of before.
        clear_cache(deployment.new, deployment.site.name)
        time.sleep(deployment.new.settings_age())

    def _take_settings(self) -> None:
        deployment, migrate = self._deployment, self._deployment.journal.last("migrate")
        names, config = migrate.intent.get("settings", []) if migrate else [], deployment.green.config()
        changes = {name: config[name] for name in names if name in config}
        deployment.site.change_config(changes, remove=[name for name in names if name not in config])

    def _exchanged(self, step: Step, whole: WholeExchange) -> Remade:
        # Before anything of it is done, and never again: later, triggers may be dropped already.
        if not os.path.exists(self._contents):
            self._write_contents()
        state = touched.look(self._green.schema())
        step.note(exchange={"moment": state.now, "closed": state.closed})
        self._require_unwritten()
        before, after = self._content("before"), self._content("after")
        scratch.make_schema(self._admin, self._blue.name, before.charset, before.collation)
        return whole.run(after, self._green.schema(), self._blue)

    def _write_contents(self) -> None:
        green = self._green.schema()
        before, after = Content.of(self._admin.schema(self._database.name)), Content.of(green)
        after = after.in_the_name_of(objects.account_of(self._database), before)
        bound = bound_to_itself(green, after)
        if bound:
            raise LockstepError(
                f"the migration made {bound[0]}, which names the clone's schema and can't become the site's",
                hint="deploy it with green_database: shared",
                detail=bound,
            )
        atomic.write_json(self._contents, {"before": before.to_dict(), "after": after.to_dict()})

    def _content(self, moment: str) -> Content:
        return Content.from_dict(atomic.read_json(self._contents)[moment])

    @property
    def _since(self) -> dict[str, t.Any]:
        """The moment that the clone is of."""
        migrate = self._deployment.journal.last("migrate")
        if migrate is None or "unwritten_since" not in migrate.intent:
            raise LockstepError("the journal does not know of which moment the clone of the site's database is")
        return dict(migrate.intent["unwritten_since"])

    def _require_unwritten(self) -> None:
        """Nothing may be lost that somebody wrote since the clone was made."""
        if not self._deployment.site.is_frozen():
            raise LockstepError("somebody ended the freeze, so what users write would be lost with the exchange")
        # What isn't known now is looked up when nobody can write to these tables any more (finish).
        _refuse(impact.written_since(self._database, self._since) or [])

    def _written_before(self) -> list[str]:
        """The tables that somebody wrote to between the clone and the exchange."""
        return self._written(self._blue, self._since)

    def _written_after(self) -> set[str]:
        """The tables that somebody wrote to since the exchange, but for those that the migration touched.

        Foreign keys would go on to refer to tables that leave: what has any goes back with them.
        """
        migrate = self._deployment.journal.last("migrate")
        if migrate is None:
            return set()
        began, everything = migrate.intent["began"], bool(migrate.intent["install"])
        theirs = impact.tables_to_restore(self._deployment, began, everything=everything)
        if theirs is None:
            return set()
        site = self._admin.schema(self._database.name)
        untouched = set(self._content("before").tables).intersection(self._content("after").tables).difference(theirs)
        found = untouched.intersection(self._written(site, self._begun()[-1]))
        if not found:
            return found
        now, then = snapshot(site)["tables"], snapshot(self._blue)["tables"]
        return {name for name in found if now[name] == then[name]} - tied(site)

    def _written(self, schema: Database, since: t.Mapping[str, t.Any]) -> list[str]:
        """The tables of a schema that somebody wrote to since a moment; they may have been moved there since."""
        state = touched.look(schema)
        if state.started > since["moment"] or state.closed != since["closed"]:
            return self._green.differing(schema)
        return sorted(touched.updated(since["moment"], state))


def _refuse(written: t.Sequence[str]) -> None:
    if written:
        raise LockstepError(
            f"somebody wrote to table {written[0]} since the clone was made, which the exchange would lose",
            hint="a job that a reader started, for example; deploy again, or set green_database: shared",
            detail=list(written),
        )
