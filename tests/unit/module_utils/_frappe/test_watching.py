# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever others do to a site ends its watch, and is never taken for a failure of its release."""

from __future__ import annotations

import json
import os
import pathlib
import threading
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import watching
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.judging import TakenBack
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.watching import SiteWatch
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.judge import Verdict
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.gate import MAINTENANCE, Gate
from tests.support.daemons import wait_until

ID, SITES = "d1", ("a.local", "b.local")

Look = t.Callable[[], None]


class Bench:
    """Two sites that one deployment has moved, and what happens to each of them at every look.

    Attributes:
        looks: By site what happens at the next looks; at the end of them its time is over.
        status: What the last look comes to.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.looks: dict[str, list[Look]] = {site: [] for site in SITES}
        self.status = "pass"
        self.layout = types.SimpleNamespace(data=lambda site: str(folder / "data" / site))
        self.user = None
        for site in SITES:
            for name in ("units", "data", "traffic"):
                (folder / name / site).mkdir(parents=True)
            self.configure(site)
            self.journal(site).open(unit=site, driver="frappe_site", deployment_id=ID, data={"site": site})
            self.journal(site).close("live")

    def unit_folder(self, unit: str) -> str:
        return str(self.folder / "units" / unit)

    def traffic(self, site: str) -> t.Any:
        return types.SimpleNamespace(gate=self.gate(site))

    def gate(self, site: str) -> Gate:
        return Gate(str(self.folder / "traffic" / site))

    def journal(self, site: str) -> Journal:
        return Journal(self.unit_folder(site))

    def configure(self, site: str, **settings: t.Any) -> None:
        path = self.folder / "data" / site / "site_config.json"
        path.write_text(json.dumps({"db_name": "x", **settings}))

    def watch(self, site: str = SITES[0]) -> SiteWatch:
        return SiteWatch(t.cast(t.Any, self), site, site, ID)

    def watched(self, site: str = SITES[0]) -> dict[str, t.Any]:
        return watching.watch([self.watch(site)], 60)[site]


class Judging:
    """In place of the real one: does what is to happen at each look."""

    def __init__(self, deployment: t.Any, lasts: float, every: float) -> None:
        self._bench, self._site = deployment
        assert (lasts, every) == (60, 5)

    def watch(self, _seconds: float, until: t.Callable[[], bool]) -> Verdict:
        for look in self._bench.looks[self._site]:
            look()
            if until():
                break
        return Verdict(self._bench.status, ("errors: 0 %",), {}, ())

    def summary(self) -> dict[str, t.Any]:
        return {"looks": {"pass": 1}}


@pytest.fixture
def bench(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Two sites that do well."""
    monkeypatch.setattr(watching, "Judging", Judging)
    monkeypatch.setattr(watching, "SiteDeployment", lambda context, site, *_more: (context, site))
    monkeypatch.setattr(watching.Options, "recorded", lambda _journal: None)
    return Bench(tmp_path)


def refuse() -> None:
    raise TakenBack("errors: 9 % of the requests failed")


@pytest.mark.parametrize(("status", "expected"), [("pass", "passed"), ("inconclusive", "inconclusive")])
def test_only_a_pass_at_the_end_is_one(bench: Bench, status: str, expected: str) -> None:
    bench.status = status
    found = bench.watched()
    assert (found["status"], found["reasons"], found["figures"]) == (
        expected,
        ["errors: 0 %"],
        {"looks": {"pass": 1}},
    )
    assert bench.watch().record.read() == found
    assert found["began"] < found["ended"]


def test_a_rule_that_fails_ends_the_watch_of_the_others_too(bench: Bench) -> None:
    ended = threading.Event()
    bench.looks[SITES[0]] = [lambda: wait_until(lambda: bench.watch(SITES[1]).record.is_watched, 10, "b"), refuse]
    # It would go on for longer than anybody waits.
    bench.looks[SITES[1]] = [lambda: ended.wait(0.02) and None] * 1000
    found = watching.watch([bench.watch(site) for site in SITES], 60)
    assert (found[SITES[0]]["status"], found[SITES[0]]["reasons"]) == ("failed", ["errors: 9 % of the requests failed"])
    assert (found[SITES[1]]["status"], found[SITES[1]]["reasons"]) == ("ended", [f"the watch of {SITES[0]} failed"])


def another(bench: Bench) -> None:
    bench.journal(SITES[0]).open(unit=SITES[0], driver="frappe_site", deployment_id="d2", data={})


def goes_back(bench: Bench) -> None:
    journal = bench.journal(SITES[0])
    journal.content["status"] = "open"
    journal.save()


def closed(bench: Bench) -> None:
    bench.gate(SITES[0]).close(MAINTENANCE, "ada", "stock-taking")


def frozen(bench: Bench) -> None:
    bench.configure(SITES[0], maintenance_mode=1, allow_reads_during_maintenance=1)


@pytest.mark.parametrize("after", [lambda: None, refuse])
@pytest.mark.parametrize(
    ("what", "status", "why"),
    [
        (another, "superseded", "deployment d2 is at it since"),
        (goes_back, "superseded", "deployment d1 of it is open"),
        (closed, "inconclusive", "it was closed to visitors (maintenance), by ada"),
        (frozen, "inconclusive", "it is in maintenance mode"),
    ],
)
def test_what_others_do_to_the_site_ends_it_and_is_no_failure(
    bench: Bench, what: t.Callable[[Bench], None], status: str, why: str, after: Look
) -> None:
    def look() -> None:
        what(bench)
        after()

    bench.looks[SITES[0]] = [look, refuse]
    found = bench.watched()
    assert found["status"] == status
    assert found["reasons"][0].startswith(why)


def test_a_site_that_is_another_deployments_already_is_not_watched(bench: Bench) -> None:
    another(bench)
    bench.looks[SITES[0]] = [refuse]
    assert bench.watched()["status"] == "superseded"


@pytest.mark.parametrize("error", [LockstepError("the log can't be read"), ZeroDivisionError("of ours")])
def test_what_can_not_be_watched_is_no_failure_of_the_release(bench: Bench, error: Exception) -> None:
    def look() -> None:
        raise error

    bench.looks[SITES[0]] = [look]
    found = bench.watched()
    assert found["status"] == "broken"
    assert found["reasons"][0].startswith("it could not be watched: ")
    assert bench.watch().record.read() == found


def test_one_that_can_not_be_watched_at_all_does_not_take_the_others_along(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_PATIENCE", 0)
    with bench.watch().record.hold(0):
        found = watching.watch([bench.watch(site) for site in SITES], 60)
    assert [found[site]["status"] for site in SITES] == ["broken", "passed"]


def test_it_ends_by_a_word_and_who_said_it_waits_for_that(bench: Bench) -> None:
    bench.looks[SITES[0]] = [lambda: threading.Event().wait(0.02) and None] * 1000
    running = threading.Thread(target=bench.watched)
    running.start()
    wait_until(lambda: (bench.watch().record.read() or {}).get("status") == "watching", 10, "it is watched")
    found = watching.end([bench.watch()], "a reason")[SITES[0]]
    assert found is not None
    assert (found["status"], found["reasons"]) == ("ended", ["a reason"])
    running.join(10)
    bench.looks[SITES[0]] = []
    assert bench.watched()["status"] == "passed", "what was said to one watch is not said to the next"
    assert watching.end([bench.watch(SITES[1])], "a reason") == {SITES[1]: None}


def test_a_watch_takes_the_place_of_one_whose_controller_may_be_gone(bench: Bench) -> None:
    looked = threading.Event()
    bench.looks[SITES[0]] = [looked.set, *[lambda: threading.Event().wait(0.02) and None] * 1000]
    before: list[dict[str, t.Any]] = []
    running = threading.Thread(target=lambda: before.append(bench.watched()))
    running.start()
    assert looked.wait(10)
    bench.looks[SITES[0]] = []
    assert bench.watched()["status"] == "passed"
    running.join(10)
    assert (before[0]["status"], before[0]["reasons"]) == ("ended", ["another watch took its place"])


def test_a_record_whose_process_is_gone_says_so(bench: Bench) -> None:
    record = bench.watch().record
    record.begin(ID, 60)
    found = record.read()
    assert found is not None
    assert found["status"] == "abandoned"
    with record.hold(0):
        assert (record.read() or {})["status"] == "watching"
        assert (pathlib.Path(bench.unit_folder(SITES[0])) / "watch.flock").read_text() == str(os.getpid())


@pytest.mark.parametrize("damaged", ["", '{"status": "watch', "[]", "{}", '{"deployment_id": "d1"}', "\0\0"])
def test_a_damaged_record_is_told_and_the_next_watch_mends_it(bench: Bench, damaged: str) -> None:
    record = bench.watch().record
    path = pathlib.Path(bench.unit_folder(SITES[0]), "watch.json")
    path.write_text(damaged)
    with pytest.raises(LockstepError, match=r"watch\.json"):
        record.read()
    told = record.told_of(ID)
    assert told is not None
    assert (told["status"], told["deployment_id"], told["until"]) == ("broken", ID, None)
    assert "watch.json" in told["reasons"][0]
    assert bench.watched()["status"] == "passed"
    assert record.told_of(ID) == record.read()
    assert record.told_of("d2") is None


def test_a_release_that_does_badly_is_told_where_there_is_no_room_to_write_it_down(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_found: object) -> None:
        raise LockstepError("watch.json could not be written: No space left on device")

    monkeypatch.setattr(watching.WatchRecord, "close", full)
    bench.looks[SITES[0]] = [refuse]
    found = bench.watched()
    assert found["status"] == "failed"
    assert found["reasons"] == [
        "errors: 9 % of the requests failed",
        "watch.json could not be written: No space left on device",
    ]
