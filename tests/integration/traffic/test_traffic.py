# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""traffic.yml: sites are closed and opened by one command, and what is said of them is what visitors see."""

from __future__ import annotations

import contextlib
import json
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.processes import Processes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_traffic import Request
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import links
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.gate import CLOSED, MAINTENANCE, STOPPED
from tests.integration.stage import BENCH
from tests.integration.traffic.operator import ONE, SITES, TWO, Operator, changed, request

pytestmark = pytest.mark.integration

OTHER_ID = "20991231T000000Z-ffffff"


def test_a_site_is_closed_and_opened_again_by_one_command_each(operator: Operator) -> None:
    state = STOPPED
    workers = operator.workers()
    checked = operator.traffic("--check", "--diff", state=state, sites=ONE)
    assert (checked.returncode, changed(checked)) == (0, {ONE: 1}), checked.stdout
    assert f"-traffic: live\n+traffic: {state}\n" in checked.stdout
    assert operator.sees() == operator.release(), "a check changes nothing"

    done = operator.traffic(state=state, sites=[ONE], reason="wrong prices", deployed_by="ada")
    assert (done.returncode, changed(done)) == (0, {ONE: 1}), done.stdout
    assert f"{ONE}: {state} since " in done.stdout
    assert "by ada (wrong prices)" in done.stdout
    assert (operator.sees(), operator.sees(TWO)) == (state, operator.release(TWO))
    again = operator.traffic(state=state, sites=ONE)
    assert (again.returncode, changed(again)) == (0, {}), again.stdout
    assert "by ada (wrong prices)" in again.stdout, "who comes second changes nothing"

    told = operator.stage.play("playbooks/status.yml")
    assert f"{ONE} is closed to visitors: {state} since " in told.stdout
    assert f"playbooks/traffic.yml -e state=live -e sites={ONE}" in told.stdout

    opened = operator.traffic(state="live", sites="all")
    assert (opened.returncode, changed(opened)) == (0, {ONE: 1}), opened.stdout
    assert operator.sees() == operator.release()
    assert operator.workers() == workers, "none of it took a reload"


def test_what_a_limit_leaves_out_is_no_failure_unless_it_was_named(operator: Operator) -> None:
    done = operator.traffic("--limit", ONE, state=STOPPED, sites="all")
    assert done.returncode == 0, done.stdout
    assert "1 of 1 are as asked for, 1 changed" in done.stdout
    assert (operator.sees(), operator.sees(TWO)) == (STOPPED, operator.release(TWO))
    named = operator.traffic("--limit", ONE, state=STOPPED, sites=[ONE, TWO])
    assert named.returncode != 0
    assert f"{TWO}: nothing is known of it: its server was not asked" in named.stdout


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"state": "stopped"}, "Say which sites: -e sites=SITE,SITE, or -e sites=all for all 2"),
        ({"state": "stopped", "sites": "all", "allow": "127.0.0.1"}, "addresses get in during maintenance only"),
        ({"state": "maintenance", "sites": "all", "allow": "10.0.0.0/8"}, "'10.0.0.0/8' is no IP address"),
    ],
)
def test_what_is_not_clear_closes_nothing(operator: Operator, variables: dict[str, t.Any], told: str) -> None:
    done = operator.traffic(**variables)
    assert done.returncode != 0
    assert told in done.stdout.replace("\\", "")
    assert [operator.sees(site) for site in SITES] == [operator.release(site) for site in SITES]


def test_some_addresses_get_in_during_maintenance(operator: Operator) -> None:
    done = operator.traffic(state="maintenance", sites="all", allow="203.0.113.7 127.0.0.1")
    assert (done.returncode, changed(done)) == (0, dict.fromkeys(SITES, 1)), done.stdout
    assert "but for 127.0.0.1, 203.0.113.7" in done.stdout
    assert operator.sees() == operator.release()
    assert operator.site().change(request(MAINTENANCE)), "now nobody"
    assert operator.sees() == MAINTENANCE


def test_a_site_changes_from_one_state_to_the_other(operator: Operator) -> None:
    site = operator.site()
    site.change(request(STOPPED))
    for state, other in ((MAINTENANCE, STOPPED), (STOPPED, MAINTENANCE)):
        assert site.change(request(state))
        assert operator.gate().is_set(state)
        assert not operator.gate().is_set(other)
        assert operator.sees() == state


@contextlib.contextmanager
def half_done(operator: Operator, closes: bool) -> t.Iterator[None]:
    """A deployment of the site that is between its freeze and its end."""
    folder = operator.stage.folder / "state" / "units" / ONE
    path = folder / "journal.json"
    before = path.read_text()
    deployed = json.loads(before)["deployment_id"]
    journal = Journal(str(folder))
    journal.open(unit=ONE, driver="frappe_site", deployment_id=OTHER_ID, data={**journal.data})
    if closes:
        operator.context.traffic(ONE).close(OTHER_ID)
    try:
        yield
    finally:
        path.write_text(before)
        (folder / "history" / f"{deployed}.json").unlink()


def test_what_an_unfinished_deployment_closed_stays_closed(operator: Operator) -> None:
    with half_done(operator, closes=True):
        done = operator.traffic(state="live", sites="all")
        assert done.returncode != 0
        assert f"site {ONE} is closed by deployment {OTHER_ID}, which is not finished" in done.stdout
        assert f"rollback.yml -e deployment_id={OTHER_ID}" in done.stdout
        assert f"- {TWO}: live" in done.stdout
        assert operator.sees() == CLOSED
        with pytest.raises(LockstepError, match="which is not finished"):
            operator.site().require_possible(request("live"))
    # Its journal says that it ended, so what it left is nobody's.
    assert operator.site().change(request("live"))
    assert operator.sees() == operator.release()


def test_a_site_that_is_deployed_to_is_stopped_and_let_in_by_its_operator(operator: Operator) -> None:
    with half_done(operator, closes=False):
        assert operator.site().change(request(STOPPED))
        assert operator.sees() == STOPPED
        assert operator.site().change(request("live"))
        assert operator.sees() == operator.release()


def test_the_checks_of_a_deployment_tell_that_a_site_is_stopped_and_it_is_left_so(operator: Operator) -> None:
    operator.site().change(request(STOPPED, by="ada", reason="wrong prices"))
    done = operator.deploy(deployment_strategy="rolling", freeze="full")
    assert done.returncode == 0, done.stdout[-5000:]
    assert f"{ONE} is closed to visitors (stopped since " in done.stdout
    assert operator.sees() == STOPPED


def test_a_site_that_does_not_answer_once_it_is_open_is_closed_again(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, traffic = operator.site(timeout=0.5), operator.context.traffic(ONE)
    site.change(request(STOPPED, by="ada", reason="wrong prices"))
    target, before = traffic.current(), operator.gate().told(STOPPED)
    require_possible = site.require_possible

    def then_break(given: Request) -> None:
        require_possible(given)
        links.switch(traffic.live, str(operator.stage.folder))

    monkeypatch.setattr(site, "require_possible", then_break)
    try:
        with pytest.raises(LockstepError, match="does not answer its visitors") as caught:
            site.change(request("live"))
    finally:
        links.switch(traffic.live, str(target))
    assert caught.value.left == "it is in stopped again"
    assert operator.gate().told(STOPPED) == before
    assert operator.sees() == STOPPED


def test_a_site_whose_release_does_not_run_is_not_opened(operator: Operator) -> None:
    operator.site().change(request(STOPPED))
    processes, release = Processes(operator.context), operator.context.live_release(ONE)
    operator.context.supervision.stop(operator.context.group(release))
    try:
        with pytest.raises(LockstepError, match="does not answer, so there is nothing to open") as caught:
            operator.site().change(request("live"))
    finally:
        processes.start(release)
    assert caught.value.left == "nothing was changed, the site is stopped"
    assert operator.sees() == STOPPED


def test_a_site_that_was_not_adopted_is_refused(operator: Operator) -> None:
    with pytest.raises(LockstepError, match=r"site3\.local was not adopted yet"):
        operator.site("site3.local")


def test_rendered_writes_nginx_alone_and_only_where_something_differs(operator: Operator) -> None:
    workers = operator.workers()
    again = operator.traffic(state="rendered")
    assert (again.returncode, changed(again)) == (0, {}), again.stdout
    assert operator.workers() == workers
    right = operator.file.read_text()
    operator.file.unlink()
    checked = operator.traffic("--check", "--diff", state="rendered")
    assert (checked.returncode, changed(checked)) == (0, {BENCH: 1}), checked.stdout
    assert f"{operator.file} is gone" in checked.stdout
    assert not operator.file.exists()
    done = operator.traffic(state="rendered", sites=ONE)
    assert (done.returncode, changed(done)) == (0, {BENCH: 1}), done.stdout
    assert operator.file.read_text() == right


def test_rendered_serves_the_projects_of_the_deployment_file_and_no_longer_those_that_left_it(
    operator: Operator,
) -> None:
    port, domain = operator.stage.bench.http_port, "filter-ical.example"
    containers = {
        "backend": {"name": "filter-ical-backend", "port": 3000, "api_locations": ["/api"]},
        "frontend": {"name": "filter-ical-frontend", "port": 80},
    }
    project = {"domains": {"staging": domain}, "containers": containers, "listen": [f"127.0.0.1:{port}"]}
    inventory = operator.stage.deployment(projects={"filter-ical": project})
    assert operator.visit(domain).status == 404
    checked = operator.traffic("--check", "--diff", inventory=inventory, state="rendered")
    assert (checked.returncode, changed(checked)) == (0, {BENCH: 1}), checked.stdout
    assert f"+    server_name {domain};" in checked.stdout
    assert not (operator.stage.folder / "state" / "projects").exists(), "a check changes nothing"
    done = operator.traffic(inventory=inventory, state="rendered")
    assert (done.returncode, changed(done)) == (0, {BENCH: 1}), done.stdout
    assert operator.visit(domain).status == 502, "nobody deployed its containers yet"
    assert operator.sees() == operator.release()
    assert changed(operator.traffic(inventory=inventory, state="rendered")) == {}
    assert changed(operator.traffic(state="rendered")) == {BENCH: 1}
    assert operator.visit(domain).status == 404


def test_a_change_by_hand_is_shown_refused_and_overwritten_by_force_alone(operator: Operator) -> None:
    right, text = operator.file.read_text(), operator.change_by_hand()
    checked = operator.traffic("--check", "--diff", state="rendered")
    assert checked.returncode != 0
    assert "-    client_max_body_size 99m;\n+    client_max_body_size 50m;\n" in checked.stdout
    assert "was changed by hand: 4 lines differ" in checked.stdout
    done = operator.traffic(state="rendered")
    assert done.returncode != 0
    assert "was changed by hand: 4 lines differ" in done.stdout
    assert operator.file.read_text() == text
    forced = operator.traffic(state="rendered", force=True)
    assert forced.returncode == 0, forced.stdout
    (copy,) = operator.copies()
    assert f"a copy is kept in {copy}" in forced.stdout.replace("\n", " ") + forced.stderr.replace("\n", " ")
    assert (operator.file.read_text(), copy.read_text()) == (right, text)


def test_a_deployment_refuses_a_change_by_hand_among_all_checks_unless_it_is_forced(operator: Operator) -> None:
    right, text = operator.file.read_text(), operator.change_by_hand()
    for arguments in (("--check", "--diff"), ()):
        done = operator.deploy(*arguments)
        assert done.returncode != 0
        assert "1 check before the deployment failed, and nothing was changed" in done.stdout
        assert f"{BENCH}: {operator.file} was changed by hand: 4 lines differ" in done.stdout
        assert ("+    client_max_body_size 50m;" in done.stdout) == bool(arguments)
        assert operator.file.read_text() == text
    forced = operator.deploy(force=True)
    assert forced.returncode == 0, forced.stdout[-5000:]
    assert "Failed checks are overridden by force" in forced.stdout + forced.stderr
    (copy,) = operator.copies()
    assert (operator.file.read_text(), copy.read_text()) == (right, text)
    assert changed(operator.deploy()) == {}
