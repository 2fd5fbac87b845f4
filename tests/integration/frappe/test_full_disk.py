# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A disk that is full stops a deployment, and costs a site nothing."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.health import SiteHealth
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import release_id
from tests.integration.frappe.ground import As, Ground
from tests.integration.stage import BENCH, stage
from tests.support.disks import Disk, small_disk

pytestmark = pytest.mark.integration

SITE = "narrow.local"


class Cramped(t.NamedTuple):
    """A bench whose records and backups each have a small disk."""

    ground: Ground
    state: Disk
    backups: Disk


@pytest.fixture(scope="module")
def cramped() -> t.Iterator[Cramped]:
    with (
        stage("lkd-", sites=(SITE,)) as found,
        small_disk(found.folder / "state", "8m") as state,
        small_disk(found.folder / "small", "100k") as backups,
    ):
        yield Cramped(Ground(found, (SITE,)), state, backups)


def test_a_release_that_does_not_fit_is_gone_again_and_can_be_built_once_there_is_room(cramped: Cramped) -> None:
    ground, apps = cramped.ground, cramped.ground.stage.apps()
    releases = pathlib.Path(ground.context.layout.root, "releases")
    with small_disk(releases, "300k"):
        with pytest.raises(LockstepError, match=r"the disk of .*/releases is full") as caught:
            ground.build(apps)
        assert os.listdir(releases) == []
    assert (caught.value.phase, caught.value.left) == ("prepare", "the release that serves was not touched")
    assert ground.journal(BENCH).status == "restored"
    assert ground.context.record.release(release_id(apps)) is None
    assert ground.get(SITE, "version") == "0.9.0"
    ground.write(SITE, 1)
    ground.build(apps)
    assert ground.context.require_release(release_id(apps)).ready


@pytest.fixture
def found(cramped: Cramped) -> t.Iterator[As]:
    """The site as it is, with a release built that it could go to."""
    ground = cramped.ground
    if ground.context.record.release(release_id(ground.stage.apps())) is None:
        ground.build(ground.stage.apps())
    site = As(ground, SITE)
    yield site
    site.take_back()


def test_a_backup_that_does_not_fit_leaves_the_site_as_it_was(cramped: Cramped, found: As) -> None:
    ground, usual = cramped.ground, cramped.ground.context
    ground.context = ground.stage.context(backup_dir=str(cramped.backups.folder))
    try:
        with pytest.raises(LockstepError, match=r"the disk of .* is full|No space left on device") as caught:
            ground.deploy(SITE)
    finally:
        ground.context = usual
    assert caught.value.phase == "backup"
    assert "users can write" in str(caught.value.left)
    assert ground.journal(SITE).status == "restored"
    assert [path for path in cramped.backups.folder.rglob("*") if path.is_file()] == []
    found.require()


def test_a_frozen_site_is_thawed_although_there_is_no_room_for_records(
    cramped: Cramped, found: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = cramped.ground
    wait_frozen = SiteHealth.wait_frozen

    def frozen(self: SiteHealth, *args: t.Any) -> None:
        wait_frozen(self, *args)
        cramped.state.fill()

    monkeypatch.setattr(SiteHealth, "wait_frozen", frozen)
    try:
        with pytest.raises(LockstepError, match=r"no room for records is left in .* No space left on device") as caught:
            ground.deploy(SITE)
    finally:
        cramped.state.empty()
    assert caught.value.phase == "backup"
    assert "users can write" in str(caught.value.left)
    written = Journal(ground.context.unit_folder(SITE))
    assert {step.record["status"] for step in written.steps()} == {"undone"}
    found.require()
    monkeypatch.undo()
    assert ground.deploy(SITE).state() == "retired", "with room again it goes well"
    cramped.state.fill(but=8192)
    try:
        with pytest.raises(LockstepError, match=r"journal\.json could not be written: No space left on device"):
            ground.roll_back(SITE)
    finally:
        cramped.state.empty()
    assert ground.journal(SITE).status == "live", "a rollback that could not be written down has not begun"
    assert not ground.context.locks().describe(SITE), "and locks nobody out"
