# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each type of validation finds on a site that serves, and when something of it is not as it should be."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import redis
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.live_site import Door, LiveSite
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.placement import Placement
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation import performance
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.configuration import (
    Asked,
    Configuration,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.integration import Integration
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.validation.security import Security
from ansible_collections.lockstep.deploy.plugins.module_utils._health.outcome import Result
from ansible_collections.lockstep.deploy.plugins.module_utils._health.site import Transport, named_assets
from tests.integration.health.servers import certificate
from tests.integration.stage import NEW
from tests.integration.status.story import ONE, SITES, Story
from tests.support.daemons import free_port, wait_until

pytestmark = pytest.mark.integration

Said = dict[str, str]

#: How many of our jobs rq knows, in whatever state.
OURS = """
local count = 0
for _, key in ipairs(redis.call('KEYS', 'rq:job:*')) do
  local said = redis.call('TYPE', key).ok == 'hash' and redis.call('HGET', key, 'description')
  if said and string.find(said, 'frappe.ping', 1, true) then count = count + 1 end
end
return count
"""


def wrong(results: t.Sequence[Result]) -> Said:
    """The checks that failed, with what they say."""
    return {result.name: result.message for result in results if result.passed is False}


def undecided(results: t.Sequence[Result]) -> Said:
    return {result.name: result.message for result in results if result.passed is None}


@pytest.fixture
def live(story: Story) -> LiveSite:
    """The first site, deployed."""
    return LiveSite.find(story.stage.context(), ONE)


def asked(**more: t.Any) -> Asked:
    """What the deployment file asks for, with changes."""
    given = {"unit": ONE, "project": "shop", "environment": "staging", "apps": list(NEW), "versions": NEW}
    return Asked(**{**given, "config": {}, "domains": [ONE], **more})


@contextlib.contextmanager
def written(path: pathlib.Path, text: str) -> t.Iterator[None]:
    """A file with another text for a while, or one that is not there otherwise."""
    before = path.read_text() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    try:
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)


@contextlib.contextmanager
def setting(live: LiveSite, **changes: t.Any) -> t.Iterator[None]:
    path = pathlib.Path(live.site.config_path)
    with written(path, json.dumps({**live.site.config(), **changes})):
        yield


@contextlib.contextmanager
def nginx_says(story: Story, pattern: str, instead: str) -> t.Iterator[None]:
    """Our file in nginx edited by hand, and in force."""
    nginx = story.stage.services.nginx
    path = nginx.conf_d / "00-lockstep.conf"
    edited = re.sub(pattern, instead, path.read_text())
    assert edited != path.read_text()
    with written(path, edited):
        nginx.reload()
        yield
    nginx.reload()


@contextlib.contextmanager
def stopped(story: Story, word: str) -> t.Iterator[None]:
    """The processes of the live release with a word in their name stopped."""
    control = story.stage.services.supervisor.ctl
    names = [line.split()[0] for line in control("status", check=False).splitlines()]
    chosen = [name for name in names if word in name and name.startswith("lockstep-")]
    assert chosen
    control("stop", *chosen)
    try:
        yield
    finally:
        control("start", *chosen)


def running(story: Story) -> bool:
    return not wrong(Integration(LiveSite.find(story.stage.context(), ONE)).results())


# The playbook


def test_all_types_of_a_site_that_is_well_pass_and_are_told_one_by_one(story: Story) -> None:
    # How fast is another test's question; this machine may be busy.
    answer = story.validate(types="all", performance_duration="1", performance_max_p95="30000", environment="staging")
    content = answer.content
    assert answer.done.returncode == 0, answer.done.stdout
    assert content["failed"] == 0
    assert content["types"] == ["health", "configuration", "security", "integration", "performance"]
    assert (content["duration"], content["environment"], content["deployment_id"]) == (1, "staging", None)
    for site in SITES:
        found = content["sites"][site]
        assert list(found["types"]) == content["types"]
        assert sum(one["total_checks"] for one in found["types"].values()) == found["total_checks"]
        assert {check["validation"] for check in found["checks"]} == set(content["types"])
        load = next(check["observed"] for check in found["checks"] if check["name"] == "load")
        assert load["requests"] > 0
        assert set(load) >= {"requests_per_second", "p50_ms", "p95_ms", "p99_ms", "errors", "socket_errors"}
    assert "= performance/load: " in answer.done.stdout


def test_without_types_nobody_gets_load_or_jobs(story: Story) -> None:
    log = story.stage.services.nginx.folder / "logs" / "lockstep-access.log"
    before = len(log.read_text().splitlines())
    answer = story.validate(types="", duration="")
    assert answer.done.returncode == 0, answer.done.stdout
    assert answer.content["types"] == ["health", "configuration", "security"]
    assert len(log.read_text().splitlines()) - before < 120


def test_a_deployment_that_is_named_has_to_be_live(story: Story) -> None:
    (live,) = [unit["deployment_id"] for unit in story.report()["units"] if unit["unit"] == ONE]
    right = story.validate("--limit", ONE, types="integration", deployment_id=live)
    assert right.done.returncode == 0, right.done.stdout
    assert right.content["deployment_id"] == live
    other = story.validate("--limit", ONE, types="integration", deployment_id="20991231T000000Z-ffffff")
    assert other.done.returncode != 0
    checks = {check["name"]: check for check in other.content["sites"][ONE]["checks"]}
    assert checks["deployment"]["message"] == f"deployment {live} is live, and not 20991231T000000Z-ffffff"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"types": "health,speed"}, "types: found speed; expected some of health, configuration, security"),
        ({"environment": "production"}, "and the deployment file is for staging"),
    ],
)
def test_what_can_not_be_meant_is_refused_before_any_site_is_asked(
    story: Story, variables: dict[str, str], said: str
) -> None:
    answer = story.validate(**variables)
    assert answer.done.returncode != 0
    assert said in answer.done.stdout.replace("\\", "")
    assert answer.content == {}


def test_under_check_there_is_no_load_and_no_job(story: Story) -> None:
    answer = story.validate("--check", "--limit", ONE, types="integration,performance", duration=1)
    assert answer.done.returncode == 0, answer.done.stdout
    assert "? integration/background_job: not tried under --check" in answer.done.stdout
    assert "? performance/load: no load is made under --check" in answer.done.stdout


# integration


def test_parts_that_work_together_pass_and_nothing_of_the_look_is_left(story: Story, live: LiveSite) -> None:
    errors = "SELECT creation, method, error FROM `tabError Log`"
    before = story.stage.bench.sql(ONE, errors)
    name = pathlib.Path(live.site.folder, "private", "files", "bill.txt")
    with written(name, "secret"):
        found = Integration(live).results()
    assert (wrong(found), undecided(found)) == ({}, {})
    config = live.bench.common_config()
    assert redis.ask(config["redis_cache"], "KEYS", "lockstep|*") == "*0"
    assert redis.ask(config["redis_queue"], "EVAL", OURS, "0") == ":0"
    assert story.stage.bench.sql(ONE, errors) == before


def test_without_workers_a_job_is_not_done_and_is_taken_back(story: Story, live: LiveSite) -> None:
    with stopped(story, "worker"):
        found = wrong(Integration(live, job_timeout=0.5).results())
        left = redis.ask(live.bench.common_config()["redis_queue"], "EVAL", OURS, "0")
    assert set(found) == {"background_job"}
    assert "no worker takes jobs from" in found["background_job"]
    assert left == ":0"
    wait_until(lambda: running(story), 60, "the workers are back", interval=0.5)


def test_realtime_that_is_down_fails(story: Story, live: LiveSite) -> None:
    with stopped(story, "socketio"):
        found = wrong(Integration(live).results())
    assert found == {"realtime": "realtime does not answer through nginx: status 502"}
    wait_until(lambda: running(story), 60, "realtime is back", interval=0.5)


def test_a_database_the_app_can_not_reach_fails(live: LiveSite) -> None:
    with setting(live, db_password="wrong"):
        found = wrong(Integration(live).results())
    assert "Access denied" in found["database_path"]
    assert "wrong" not in found["database_path"]


def test_a_cache_that_is_not_there_fails(live: LiveSite) -> None:
    with setting(live, redis_cache=f"redis://127.0.0.1:{free_port()}"):
        found = wrong(Integration(live).results())
    assert "does not answer" in found["cache"]


def test_a_private_file_that_nginx_gives_to_anybody_fails(live: LiveSite) -> None:
    private = pathlib.Path(live.site.folder, "private", "files", "bill.txt")
    public = pathlib.Path(live.site.folder, "public", "private", "files", "bill.txt")
    with written(private, "secret"), written(public, "secret"):
        found = wrong(Integration(live).results())
    assert found == {"private_files": "anybody can read private files, by /private/files/, /files/../private/files/"}


def test_an_asset_that_is_gone_fails(story: Story, live: LiveSite) -> None:
    named = named_assets(live.outside().ask("/login").text)[0]
    benches = (pathlib.Path(live.bench.path), story.stage.bench.path)
    paths = [bench.joinpath("sites", *named.split("/")) for bench in benches]
    moved = {path: path.rename(path.with_suffix(".aside")) for path in paths if path.exists()}
    try:
        found = wrong(Integration(live).results())
    finally:
        for path, aside in moved.items():
            aside.rename(path)
    assert "1 of 5 assets of /login are not served well" in found["static_assets"]


def test_a_site_its_scheduler_does_not_see_fails(story: Story, live: LiveSite) -> None:
    placement = Placement(story.stage.context().layout, ONE, live.bench.user)
    placement.deactivate(live.bench)
    try:
        found = wrong(Integration(live).results())
    finally:
        placement.activate(live.bench)
    assert found == {"scheduler_sees_site": f"the scheduler of {live.bench.path} does not see the site"}


# configuration


def test_a_site_that_is_as_it_was_deployed_passes(live: LiveSite) -> None:
    found = Configuration(live, asked()).results()
    assert (wrong(found), undecided(found)) == ({}, {})


def test_settings_are_compared_and_only_their_names_told(live: LiveSite) -> None:
    secret = "hunter2"
    with setting(live, mail_password="another secret"):
        (found,) = [
            result
            for result in Configuration(live, asked(config={"mail_password": secret, "limit": 5})).results()
            if result.name == "site_config"
        ]
    assert found.passed is False
    assert found.message == "limit not set; mail_password set to something else"
    assert secret not in str(found)
    assert "another secret" not in str(found)


def test_what_the_file_asks_for_and_the_site_has_not_is_told(live: LiveSite) -> None:
    given = asked(
        apps=["frappe", "erpnext", "extra"],
        versions={**NEW, "custom_app": "v1.1.0", "frappe": "version-16", "erpnext": None},
        domains=[ONE, "shop.example.com"],
    )
    assert wrong(Configuration(live, given).results()) == {
        "installed_apps": "extra not installed; custom_app installed and not asked for",
        "versions": "custom_app is at 1.0.0 and not v1.1.0",
        "domains": "nginx does not serve the site as shop.example.com",
    }


def test_code_that_somebody_changed_is_told(live: LiveSite) -> None:
    path = pathlib.Path(live.bench.path, "apps", "custom_app", "custom_app", "api.py")
    with written(path, path.read_text() + "\n"):
        found = wrong(Configuration(live, asked()).results())
    assert found == {"release_commits": "custom_app has changes of somebody: custom_app/api.py"}


def test_a_release_that_is_not_the_recorded_one_is_told(story: Story, live: LiveSite) -> None:
    path = story.stage.folder / "state" / "shop" / "staging" / "manifest.json"
    content = json.loads(path.read_text())
    content["units"][ONE]["release"] = "0badf00d"
    with written(path, json.dumps(content)):
        found = wrong(Configuration(live, asked()).results())
    assert live.release is not None
    assert found == {"manifest": f"release {live.release.id} serves, and 0badf00d was recorded"}


def test_a_process_that_does_not_run_is_named(story: Story, live: LiveSite) -> None:
    with stopped(story, "schedule"):
        found = wrong(Configuration(live, asked()).results())
    assert set(found) == {"processes"}
    assert "schedule" in found["processes"]


def test_a_hand_edit_of_nginx_is_told_and_what_it_opens_is_too(story: Story, live: LiveSite) -> None:
    assets = r"root (\S+);\s+try_files /\$lockstep_route\$uri [^;]*;"
    with nginx_says(story, assets, r"root \1/live; autoindex on;"):
        drift = wrong(Configuration(live, asked()).results())
        opened = wrong(Security(live, "staging").results())
    assert "was changed by hand" in drift["nginx"]
    assert opened == {"directory_listing": "everybody can list /assets/, /assets/frappe/"}
    assert wrong(Configuration(live, asked()).results()) == {}


def test_maintenance_and_a_paused_scheduler_are_told(live: LiveSite) -> None:
    with setting(live, maintenance_mode=1, allow_reads_during_maintenance=1, pause_scheduler=1):
        found = wrong(Configuration(live, asked()).results())
    assert found == {
        "maintenance": "maintenance_mode and allow_reads_during_maintenance is on",
        "scheduler": "pause_scheduler is set: no scheduled job runs",
    }


# security


def test_a_site_that_is_safe_passes_and_what_can_not_be_seen_is_no_pass(live: LiveSite) -> None:
    path = pathlib.Path(live.site.config_path)
    path.chmod(0o640)
    try:
        found = Security(live, "production").results()
    finally:
        path.chmod(0o644)
    assert wrong(found) == {}
    assert undecided(found) == {
        "tls": "nginx serves the site without TLS; whether something before it encrypts can't be seen from here"
    }
    assert [result.name for result in found if result.warning] == ["server_version"]


def test_passwords_that_every_account_can_read_fail_in_production_and_are_a_warning_elsewhere(live: LiveSite) -> None:
    found = wrong(Security(live, "production").results())
    assert set(found) == {"site_config_permissions"}
    assert "mode 0644: every account of the server can read the passwords in it" in found["site_config_permissions"]
    elsewhere = Security(live, "staging").results()
    assert wrong(elsewhere) == {}
    assert "site_config_permissions" in [result.name for result in elsewhere if result.warning]


def test_settings_for_developers_fail_in_production_only(live: LiveSite) -> None:
    with setting(live, developer_mode=1, allow_tests="true"):
        production = wrong(Security(live, "production").results())
        staging = wrong(Security(live, "staging").results())
    assert production["development_settings"] == "developer_mode and allow_tests are on, in production"
    assert "development_settings" not in staging


def test_a_header_that_is_missing_is_named(story: Story, live: LiveSite) -> None:
    with nginx_says(story, r"add_header X-Frame-Options \S+;", ""):
        found = wrong(Security(live, "staging").results())
    assert found == {"header_X-Frame-Options": "/login has no X-Frame-Options"}


class Elsewhere:
    """The site as another server serves it, as far as :class:`Security` asks."""

    def __init__(self, live: LiveSite, *doors: Door) -> None:
        self.name, self.site, self.bench, self.traffic = live.name, live.site, live.bench, live.traffic
        self._doors = list(doors)

    def outside(self) -> Transport:
        return next(door.transport for door in self._doors if not door.redirect)

    def doors(self) -> list[Door]:
        return self._doors


def security(live: LiveSite, *doors: Door, ca_file: str | None = None) -> list[Result]:
    return Security(t.cast(LiveSite, Elsewhere(live, *doors)), "staging", ca_file).results()


@contextlib.contextmanager
def another_server(story: Story, text: str) -> t.Iterator[None]:
    """A server of nginx beside the site's own."""
    nginx = story.stage.services.nginx
    with written(nginx.conf_d / "zz-another.conf", text):
        nginx.reload()
        yield
    nginx.reload()


def test_a_server_that_lets_everybody_in_fails_in_everything(story: Story, live: LiveSite) -> None:
    port = free_port()
    text = f"""server {{
        listen 127.0.0.1:{port};
        server_name {ONE};
        root {live.site.folder};
        location / {{ default_type text/html; try_files $uri =404; }}
        location = /{ONE}/site_config.json {{ alias {live.site.config_path}; }}
        location /files/ {{ root {live.site.folder}/public; autoindex on; }}
        location /api/ {{ return 200 '{{"message": "pong"}}'; }}
        location /private/files/ {{ return 200 'bill'; }}
        location /app {{ return 200 'desk'; }}
        location /login {{ return 200 'login'; }}
    }}"""
    with another_server(story, text):
        found = wrong(security(live, Door(Transport(ONE, f"127.0.0.1:{port}"), (ONE,), False)))
    assert set(found) == {
        "guest_api",
        "guest_desk",
        "guest_private_files",
        "configuration_served",
        "directory_listing",
        "unknown_host",
        "header_X-Frame-Options",
        "header_X-Content-Type-Options",
        "header_Referrer-Policy",
    }
    assert "site_config.json" in found["configuration_served"]


@pytest.mark.parametrize("plain", ["return 301 https://$host$request_uri;", "return 200 'pong';"])
def test_certificate_versions_hsts_and_the_way_to_https_are_looked_at(
    story: Story, live: LiveSite, tmp_path: pathlib.Path, plain: str
) -> None:
    _context, trusted = certificate(tmp_path, ONE, days=60)
    http, https = free_port(), free_port()
    text = f"""server {{
        listen 127.0.0.1:{https} ssl;
        server_name {ONE};
        ssl_certificate {tmp_path}/{ONE}.pem;
        ssl_certificate_key {tmp_path}/{ONE}.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{ return 404; }}
    }}
    server {{ listen 127.0.0.1:{http}; server_name {ONE}; {plain} }}"""
    doors = (
        Door(Transport(ONE, f"127.0.0.1:{https}", tls=True, verify=False), (ONE, "*.example.com"), False),
        Door(Transport(ONE, f"127.0.0.1:{http}"), (ONE,), True),
    )
    with another_server(story, text):
        found = {result.name: result for result in security(live, *doors, ca_file=trusted)}
        untrusted = {result.name: result for result in security(live, *doors)}
    assert found[f"tls_certificate_{ONE}"].passed is True
    assert untrusted[f"tls_certificate_{ONE}"].passed is False
    assert found[f"tls_version_127.0.0.1:{https}"].passed is True
    assert found["header_Strict-Transport-Security"].passed is False
    assert found[f"https_redirect_127.0.0.1:{http}"].passed is ("301" in plain)


# performance


def demand(**more: t.Any) -> performance.Demand:
    given = {"paths": ["/login"], "duration": 1, "connections": 2, "max_error_rate": 5, "max_p95": 30000}
    return performance.Demand(**{**given, **more})


def test_load_goes_through_nginx_and_is_what_nginx_saw(story: Story, live: LiveSite) -> None:
    log = story.stage.services.nginx.folder / "logs" / "lockstep-access.log"
    before = len(log.read_text().splitlines())
    found = performance.results(live, demand(paths=["/login", "/api/method/ping"]))
    assert wrong(found) == {}
    lines = [json.loads(line) for line in log.read_text().splitlines()[before:]]
    assert {line["path"] for line in lines} == {"/login", "/api/method/ping"}
    assert abs(len(lines) - found[0].observed["requests"]) <= 2


def test_answers_that_are_slow_or_wrong_fail(live: LiveSite) -> None:
    assert set(wrong(performance.results(live, demand(paths=["/nowhere"], max_p95=0.001)))) == {"error_rate", "p95"}


def test_a_server_without_wrk_says_which_package_is_missing(live: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "install the package wrk" in wrong(performance.results(live, demand()))["load"]


def test_a_site_that_shows_its_maintenance_page_gets_no_load(live: LiveSite) -> None:
    live.traffic.close()
    try:
        found = performance.results(live, demand())
    finally:
        live.traffic.reopen()
    assert undecided(found) == {"load": "the site shows its maintenance page, so nothing was asked of it"}
