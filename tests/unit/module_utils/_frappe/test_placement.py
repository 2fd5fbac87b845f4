# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site is active in one bench at most, nobody who reads meanwhile finds it missing, and nothing gets lost."""

from __future__ import annotations

import json
import os
import pathlib
import pwd
import threading

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import Layout
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.placement import Placement

SITE = "site1.local"
ME = pwd.getpwuid(os.geteuid()).pw_name
CONFIG = {"db_name": "_1bd3e0294da19198"}


class Place:
    """Two benches on disk, the first one with a site.

    Args:
        folder: Where.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.layout = Layout(name="frappe-bench", root=str(folder / "lockstep"), state_dir=str(folder / "state"))
        self.old, self.new = self._bench(folder / "old"), self._bench(folder / "new")
        os.makedirs(os.path.dirname(self.layout.data(SITE)))
        self.folder = folder / "old" / "sites" / SITE
        for name in ("public/files", "private/files", "locks"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "site_config.json").write_text(json.dumps(CONFIG))
        (self.folder / "public" / "files" / "logo.png").write_bytes(b"logo")
        self.placement = Placement(self.layout, SITE, ME)

    @staticmethod
    def _bench(path: pathlib.Path) -> Bench:
        (path / "sites").mkdir(parents=True)
        return Bench(str(path), ME, "bench")

    def config(self, bench: Bench) -> object:
        """The site's configuration as that bench reads it."""
        with open(os.path.join(bench.sites_folder, SITE, "site_config.json"), encoding="utf-8") as handle:
            return json.load(handle)

    def entries(self) -> list[str]:
        """What lies where sites and what is exchanged with them lie."""
        spare = os.path.join(self.layout.root, "spare")
        return [
            *os.listdir(self.old.sites_folder),
            *os.listdir(self.new.sites_folder),
            *(os.listdir(spare) if os.path.isdir(spare) else ()),
        ]


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def adopted(place: Place) -> Place:
    assert place.placement.adopt(place.old)
    place.placement.add_passive(place.new)
    return place


def test_an_adopted_site_lies_among_the_data_and_is_active_where_it_was(place: Place) -> None:
    assert place.placement.adopt(place.old)
    assert place.placement.is_active(place.old)
    assert not os.path.islink(os.path.join(place.placement.data, "site_config.json"))
    assert os.path.islink(place.folder / "site_config.json")
    assert (place.folder / "public" / "files" / "logo.png").read_bytes() == b"logo"
    assert not place.placement.adopt(place.old), "the second time there is nothing to do"


def test_a_released_site_is_a_plain_folder_again(place: Place) -> None:
    place.placement.adopt(place.old)
    (place.folder / "made by the bench").write_text("kept")
    place.placement.release(place.old)
    assert not place.placement.is_adopted()
    assert not os.path.islink(place.folder / "site_config.json")
    assert (place.folder / "made by the bench").read_text() == "kept"
    assert place.config(place.old) == CONFIG


@pytest.mark.parametrize("name", ["nowhere.local", "empty.local"])
def test_what_is_no_site_is_not_adopted(place: Place, name: str) -> None:
    os.mkdir(os.path.join(place.old.sites_folder, "empty.local"))
    with pytest.raises(LockstepError, match=f"site {name} does not exist"):
        Placement(place.layout, name, ME).adopt(place.old)
    assert not os.path.exists(place.layout.data(name))


def test_a_passive_site_is_served_and_not_scheduled(adopted: Place) -> None:
    assert adopted.config(adopted.new) == CONFIG
    assert not adopted.placement.is_active(adopted.new)
    assert adopted.placement.is_active(adopted.old)
    assert not adopted.placement.add_passive(adopted.new)


def test_an_active_site_is_not_taken_out_of_its_bench(adopted: Place) -> None:
    adopted.placement.remove_passive(adopted.old)
    assert adopted.config(adopted.old) == CONFIG
    adopted.placement.remove_passive(adopted.new)
    assert SITE not in os.listdir(adopted.new.sites_folder)


def test_moving_the_site_leaves_it_active_in_one_bench_and_no_litter(adopted: Place) -> None:
    for source, target in ((adopted.old, adopted.new), (adopted.new, adopted.old)):
        adopted.placement.deactivate(source)
        assert not adopted.placement.is_active(source)
        adopted.placement.activate(target)
        adopted.placement.activate(target)
        assert adopted.placement.is_active(target)
        assert adopted.config(source) == adopted.config(target) == CONFIG
        assert adopted.entries() == [SITE, SITE]


def test_what_a_bench_made_or_rewrote_is_in_the_data_when_it_is_hidden(adopted: Place) -> None:
    (adopted.folder / "task-logs").mkdir()
    (adopted.folder / "task-logs" / "today").write_text("made")
    rewritten = adopted.folder / "site_config.json.tmp"
    rewritten.write_text(json.dumps({**CONFIG, "host_name": "x"}))
    rewritten.rename(adopted.folder / "site_config.json")
    adopted.placement.deactivate(adopted.old)
    assert adopted.config(adopted.new) == {**CONFIG, "host_name": "x"}
    assert (pathlib.Path(adopted.placement.data) / "task-logs" / "today").read_text() == "made"


def test_what_a_bench_made_is_not_moved_through_a_link_in_the_data(adopted: Place, tmp_path: pathlib.Path) -> None:
    (tmp_path / "cron.d").mkdir()
    (pathlib.Path(adopted.placement.data) / "evil").symlink_to(tmp_path / "cron.d")
    (adopted.folder / "evil").mkdir()
    (adopted.folder / "evil" / "x").write_text("* * * * * root true")
    adopted.placement.deactivate(adopted.old)
    assert os.listdir(tmp_path / "cron.d") == []
    assert (adopted.folder / "evil" / "x").read_text() == "* * * * * root true", "it is kept"


def test_the_list_of_touched_tables_is_never_a_link(adopted: Place) -> None:
    (pathlib.Path(adopted.placement.data) / "touched_tables.json").write_text("[]")
    adopted.placement.activate(adopted.new)
    assert "touched_tables.json" not in os.listdir(os.path.join(adopted.new.sites_folder, SITE))


def test_entries_that_came_to_the_data_are_seen_by_the_active_bench(adopted: Place) -> None:
    (pathlib.Path(adopted.placement.data) / "new.json").write_text("{}")
    adopted.placement.activate(adopted.old)
    assert (adopted.folder / "new.json").read_text() == "{}"


@pytest.mark.parametrize("at", ["before the exchange", "after the exchange"])
def test_a_move_that_was_killed_can_be_repeated(adopted: Place, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    exchange = atomic.exchange
    (adopted.folder / "made by the bench").write_text("kept")

    def dies(one: str, other: str) -> None:
        if at == "after the exchange":
            exchange(one, other)
        raise KeyboardInterrupt

    for move, bench in ((adopted.placement.deactivate, adopted.old), (adopted.placement.activate, adopted.new)):
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "exchange", dies)
            with pytest.raises(KeyboardInterrupt):
                move(bench)
        assert adopted.config(bench) == CONFIG
        move(bench)
    assert (adopted.placement.is_active(adopted.old), adopted.placement.is_active(adopted.new)) == (False, True)
    assert (pathlib.Path(adopted.placement.data) / "made by the bench").read_text() == "kept"
    assert [entry for entry in adopted.entries() if entry != SITE] == []


def test_an_adoption_that_was_killed_before_its_exchange_can_be_repeated(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(_one: str, _other: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "exchange", dies)
        with pytest.raises(KeyboardInterrupt):
            place.placement.adopt(place.old)
    assert place.config(place.old) == CONFIG
    assert not place.placement.is_adopted()
    assert place.placement.adopt(place.old)
    assert place.config(place.old) == CONFIG


def test_a_reader_finds_the_site_through_200_exchanges(adopted: Place) -> None:
    stop = threading.Event()
    reads: list[int] = [0, 0]
    failed: list[str] = []

    def read(number: int, bench: Bench) -> None:
        while not stop.is_set():
            try:
                assert adopted.config(bench) == CONFIG
                reads[number] += 1
            except (OSError, ValueError, AssertionError) as error:
                failed.append(repr(error))

    readers = [threading.Thread(target=read, args=item) for item in enumerate((adopted.old, adopted.new))]
    for reader in readers:
        reader.start()
    try:
        for _ignored in range(50):
            adopted.placement.deactivate(adopted.old)
            adopted.placement.activate(adopted.new)
            adopted.placement.deactivate(adopted.new)
            adopted.placement.activate(adopted.old)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert not failed
    assert min(reads) > 100


def test_a_passive_bench_can_have_a_clone_as_the_site_and_what_it_makes_there_is_the_sites(adopted: Place) -> None:
    placement, clone = adopted.placement, os.path.join(adopted.layout.clones, "site1.local_green_1")
    cloned = {"db_name": "_lockstep_0123456789ab", "db_password": "secret"}
    for _again in range(2):
        placement.clone(clone, json.dumps(cloned))
        placement.lead(adopted.new, clone)
    assert (adopted.config(adopted.new), adopted.config(adopted.old)) == (cloned, CONFIG)
    assert placement.leads_to(adopted.new) == clone
    assert placement.leads_to(adopted.old) is None, "it is active there"
    assert os.stat(os.path.join(clone, "site_config.json")).st_mode & 0o777 == 0o600
    place = pathlib.Path(adopted.new.sites_folder, SITE)
    assert (place / "public" / "files" / "logo.png").read_bytes() == b"logo"
    (place / "private" / "files" / "made.txt").write_text("through a link")
    (place / "made by a patch").write_text("kept")
    placement.collect(clone)
    placement.lead(adopted.new, placement.data)
    assert adopted.config(adopted.new) == CONFIG
    data = pathlib.Path(placement.data)
    assert (data / "made by a patch").read_text() == "kept"
    assert (data / "private" / "files" / "made.txt").exists()
    assert json.loads((data / "site_config.json").read_text()) == CONFIG, "and never the clone's"
    assert adopted.entries() == [SITE, SITE]


def test_who_reads_meanwhile_finds_the_site_or_its_clone(adopted: Place) -> None:
    placement, clone = adopted.placement, os.path.join(adopted.layout.clones, "site1.local_green_1")
    placement.clone(clone, json.dumps({"db_name": "green"}))
    seen: set[str] = set()
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            seen.add(str(adopted.config(adopted.new)))

    reader = threading.Thread(target=read)
    reader.start()
    for _ignored in range(50):
        placement.lead(adopted.new, clone)
        placement.lead(adopted.new, placement.data)
    over.set()
    reader.join()
    assert seen <= {str(CONFIG), str({"db_name": "green"})}


@pytest.mark.parametrize("cloned", [False, True], ids=["the site", "its clone"])
def test_what_a_late_job_made_under_the_sites_name_is_not_in_the_way_of_the_next_deployment(
    adopted: Place, cloned: bool
) -> None:
    placement, new = adopted.placement, adopted.new
    placement.add_passive(new)
    placement.remove_passive(new)
    late = pathlib.Path(new.sites_folder, SITE, "indexes", "web_routes")
    late.mkdir(parents=True)
    (late / "MAIN.json").write_text("[]")
    assert not placement.is_active(new), "it has no configuration"
    if cloned:
        folder = os.path.join(adopted.layout.clones, "green")
        placement.clone(folder, json.dumps(CONFIG))
        placement.lead(new, folder)
        assert placement.leads_to(new) == folder
    else:
        assert placement.add_passive(new)
        assert placement.leads_to(new) == placement.data
    assert adopted.config(new) == CONFIG
    assert not os.path.exists(os.path.join(placement.data, "indexes"))
