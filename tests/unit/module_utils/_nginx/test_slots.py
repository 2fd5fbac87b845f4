# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A share of the visitors goes to a candidate, rises without sending anybody back, and ends in one step."""

from __future__ import annotations

import os
import pathlib
import socket
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import links, slots
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import SiteTraffic
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.slots import Slots


class Ground(t.NamedTuple):
    """A site that blue serves, and green beside it."""

    site: SiteTraffic
    blue: str
    green: str

    def on_green(self) -> list[str]:
        """The slots whose visitors get to green."""
        folder = pathlib.Path(self.site.folder) / "slots"
        return [name for name in sorted(os.listdir(folder)) if os.path.realpath(folder / name) == self.green]


@pytest.fixture
def ground(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Ground]:
    folder = tmp_path_factory.mktemp("s")
    servers = []
    for name in ("blue", "green"):
        (folder / name).mkdir()
        servers.append(socket.socket(socket.AF_UNIX))
        servers[-1].bind(str(folder / name / "web.sock"))
        servers[-1].listen(8)
    site = SiteTraffic("site1.local", str(folder / "traffic"))
    site.prepare()
    site.switch(str(folder / "blue"))
    yield Ground(site, str(folder / "blue"), str(folder / "green"))
    for server in servers:
        server.close()


def test_everybody_follows_the_live_link_while_nothing_is_shared(ground: Ground) -> None:
    assert (ground.on_green(), ground.site.slots.percent(), ground.site.slots.candidate()) == ([], 0, None)
    ground.site.switch(ground.green)
    assert ground.on_green() == list(slots.NAMES)


@pytest.mark.parametrize("percent", [0, 5, 25, 50, 100])
def test_a_share_is_as_many_twentieths(ground: Ground, percent: int) -> None:
    assert ground.site.share(ground.green, percent, "address")
    assert len(ground.on_green()) == percent // 5
    assert ground.site.slots.percent() == percent
    assert ground.site.slots.candidate() == ground.green
    assert ground.site.current() == ground.blue
    assert not ground.site.share(ground.green, percent, "address")


def test_nobody_changes_sides_while_a_share_rises(ground: Ground) -> None:
    seen: set[str] = set()
    for percent in range(0, 101, 5):
        ground.site.share(ground.green, percent, "cookie")
        assert seen < set(ground.on_green()) or percent == 0
        seen = set(ground.on_green())


@pytest.mark.parametrize("target", ["blue", "green"])
def test_a_switch_ends_a_share_for_everybody_at_once(ground: Ground, target: str) -> None:
    ground.site.share(ground.green, 50, "cookie")
    chosen = getattr(ground, target)
    assert ground.site.switch(chosen)
    assert ground.on_green() == (list(slots.NAMES) if target == "green" else [])
    assert (ground.site.slots.percent(), ground.site.slots.candidate()) == (0, None)
    # What the side that was left has built is still found by pages that were loaded from it.
    assert links.current(ground.site.previous) == (ground.blue if target == "green" else ground.green)
    assert not os.path.exists(os.path.join(ground.site.folder, slots.COOKIE))
    assert not ground.site.switch(chosen)


def test_one_rename_takes_everybody_back(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.site.share(ground.green, 100, "cookie")
    left: list[list[str]] = []

    def watched(link: str, target: str) -> bool:
        changed = switch(link, target)
        left.append(ground.on_green())
        return changed

    switch = links.switch
    monkeypatch.setattr(links, "switch", watched)
    ground.site.slots.gather()
    assert left[0] == []


def test_a_promotion_that_was_interrupted_is_finished_by_the_next_one(ground: Ground) -> None:
    ground.site.share(ground.green, 25, "cookie")
    links.switch(ground.site.previous, ground.blue)
    links.switch(ground.site.live, ground.green)
    assert ground.site.switch(ground.green)
    assert (ground.on_green(), ground.site.slots.candidate()) == (list(slots.NAMES), None)
    assert links.current(ground.site.previous) == ground.blue, "pages that were loaded from it find its assets"


def test_a_return_that_was_interrupted_is_finished_by_the_next_one(ground: Ground) -> None:
    ground.site.share(ground.green, 25, "cookie")
    links.switch(os.path.join(ground.site.folder, slots.CANDIDATE), "live")
    assert ground.site.switch(ground.blue)
    assert {os.readlink(os.path.join(ground.site.folder, "slots", name)) for name in slots.NAMES} == {"../live"}
    assert not os.path.exists(os.path.join(ground.site.folder, slots.COOKIE)), "nobody is told a slot any more"
    assert not ground.site.switch(ground.blue)


def test_a_share_after_an_interrupted_return_is_never_more_than_was_asked_for(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.site.share(ground.green, 50, "cookie")
    links.switch(os.path.join(ground.site.folder, slots.CANDIDATE), "live")
    switch, seen = links.switch, list[int]()

    def switched(link: str, target: str) -> bool:
        changed = switch(link, target)
        seen.append(ground.site.slots.percent())
        return changed

    monkeypatch.setattr(slots.links, "switch", switched)
    ground.site.share(ground.green, 5, "cookie")
    assert set(seen) == {0, 5}


def test_visitors_are_told_their_slot_only_while_they_are_shared_by_cookie(ground: Ground) -> None:
    marker = os.path.join(ground.site.folder, slots.COOKIE)
    ground.site.share(ground.green, 5, "cookie")
    assert os.path.exists(marker)
    ground.site.share(ground.green, 5, "address")
    assert not os.path.exists(marker)


@pytest.mark.parametrize(
    ("percent", "sticky", "words"),
    [(7, "cookie", "steps of 5"), (-5, "cookie", "steps of 5"), (105, "cookie", "steps of 5"), (5, "luck", "by luck")],
)
def test_a_share_that_can_not_be_is_refused_and_moves_nobody(
    ground: Ground, percent: int, sticky: str, words: str
) -> None:
    with pytest.raises(LockstepError, match=words):
        ground.site.share(ground.green, percent, sticky)
    assert (ground.on_green(), ground.site.slots.candidate()) == ([], None)


def test_nobody_is_shared_with_who_does_not_listen_or_serves_already(ground: Ground, tmp_path: pathlib.Path) -> None:
    with pytest.raises(LockstepError, match="no process listens"):
        ground.site.share(str(tmp_path), 5, "cookie")
    with pytest.raises(LockstepError, match="no share can be sent there"):
        ground.site.share(ground.blue, 5, "cookie")
    ground.site.share(ground.green, 5, "cookie")
    other = pathlib.Path(ground.green).parent / "other"
    other.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(other / "web.sock"))
        server.listen(1)
        with pytest.raises(LockstepError, match="is a candidate already"):
            ground.site.share(str(other), 10, "cookie")
    assert len(ground.on_green()) == 1


def test_each_route_of_the_log_belongs_to_one_side(ground: Ground) -> None:
    assert set(ground.site.slots.sides().values()) == {"live"}
    ground.site.share(ground.green, 25, "cookie")
    sides = ground.site.slots.sides()
    assert [sides[f"slots/{name}"] for name in slots.NAMES] == ["candidate"] * 5 + ["live"] * 15
    assert (sides["candidate"], sides["live"]) == ("candidate", "live")


def test_links_of_a_site_from_before_there_were_slots_are_made(tmp_path: pathlib.Path) -> None:
    found = Slots(str(tmp_path))
    assert (found.candidate(), found.percent(), found.gather()) == (None, 0, False)
    found.provide()
    assert sorted(os.listdir(tmp_path)) == ["candidate", "slots"]
    assert os.readlink(tmp_path / "slots" / "19") == "../live"
