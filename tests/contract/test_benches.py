# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making benches, their files, and a second bench beside the first."""

from __future__ import annotations

import concurrent.futures
import functools
import json
import pathlib
import re
import shutil
import signal
import subprocess
import typing as t

import pytest
import redis

from tests.contract.subject import OTHER, SITE, Subject, gunicorn
from tests.support.asking import ask
from tests.support.bench import Bench
from tests.support.daemons import end, free_port, wait_until

PING = "/api/method/ping"


def test_a_bench_has_the_folders_and_files_that_are_relied_on(subject: Subject) -> None:
    bench = subject.bench.path
    for name in ("apps/frappe", "sites/assets", "config/pids", "logs", "env/bin/python", "env/bin/gunicorn"):
        assert (bench / name).exists(), name
    assert (bench / "sites" / "assets" / "contract_app").is_symlink()
    packages = next((bench / "env" / "lib").glob("python3*/site-packages"))
    assert (packages / "contract_app.pth").read_text().strip() == str(bench / "apps" / "contract_app")
    info = next(packages.glob("contract_app-*.dist-info"))
    assert json.loads((info / "direct_url.json").read_text())["url"] == f"file://{bench}/apps/contract_app"


def test_apps_txt_has_no_newline_at_its_end_and_begins_with_frappe(subject: Subject) -> None:
    text = (subject.bench.path / "sites" / "apps.txt").read_text()
    assert not text.endswith("\n")
    assert text.splitlines()[0] == "frappe"
    assert set(text.splitlines()) == {"frappe", "contract_app", "contract_child"}


def test_apps_json_names_commits_but_not_frappes(subject: Subject) -> None:
    found = json.loads((subject.bench.path / "sites" / "apps.json").read_text())
    assert found["frappe"]["resolution"] == {"commit_hash": None, "branch": None}
    commit = subject.bench.git("contract_app", "rev-parse", "HEAD")
    assert found["contract_app"]["resolution"] == {"commit_hash": commit, "branch": "v1.0.0"}


def test_apps_are_cloned_from_a_remote_called_upstream(subject: Subject) -> None:
    assert subject.bench.git("contract_app", "remote") == "upstream"


def test_init_on_an_existing_folder_does_nothing_and_is_return_code_0(subject: Subject) -> None:
    source = str(subject.bench.repositories["frappe"])
    done = subject.bench.run("init", "--frappe-path", source, str(subject.bench.path), cwd=subject.bench.path.parent)
    assert "already exists" in done.stdout
    assert subject.bench.site_file(SITE, "site_config.json").exists()


def test_init_from_a_bare_repository_fails_and_leaves_the_folder(subject: Subject) -> None:
    parent = subject.bench.path.parent
    bare = parent / "bare.git"
    source = str(subject.bench.repositories["contract_app"])
    subject.flavour.run(["git", "clone", "--bare", "--quiet", source, str(bare)], parent)
    half = parent / "half"
    options = ("--skip-assets", "--no-backups", "--no-procfile", "--frappe-path", f"file://{bare}")
    done = subject.bench.run("init", *options, str(half), cwd=parent, check=False)
    assert done.returncode == 1
    assert "TypeError" in done.stdout + done.stderr
    assert half.exists()
    shutil.rmtree(half)


def test_getting_an_app_that_is_there_asks_and_without_an_answer_ends(subject: Subject) -> None:
    source = str(subject.bench.repositories["contract_app"])
    done = subject.bench.run("get-app", "--skip-assets", source, check=False)
    assert done.returncode == 1
    assert "already exists" in done.stdout
    assert (subject.bench.path / "apps" / "contract_app" / ".git").exists()


@pytest.mark.parametrize("process", ["schedule", "worker", "socketio"])
def test_processes_keep_the_id_of_the_command_that_starts_them(subject: Subject, process: str) -> None:
    started = subprocess.Popen(
        [str(subject.bench.command), process],
        cwd=subject.bench.path,
        env={**subject.flavour.environment(), "FRAPPE_SOCKETIO_PORT": str(free_port())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **subject.flavour.identity(),
    )
    name = "socketio.js" if process == "socketio" else f"bench_helper frappe {process}"
    try:
        wait_until(lambda: name in _command_line(started.pid), 30, f"bench {process} has become its program")
    finally:
        end(started.pid, (signal.SIGTERM, signal.SIGKILL), patience=5)


def _command_line(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def test_a_new_bench_takes_the_ports_after_those_of_its_sibling(second: Bench, subject: Subject) -> None:
    for name in ("webserver_port", "socketio_port"):
        assert second.made_with[name] == subject.bench.config[name] + 1


@pytest.mark.parametrize("kind", ["supervisor", "nginx"])
def test_setup_asks_before_it_overwrites(subject: Subject, kind: str) -> None:
    path = subject.bench.path / "config" / f"{kind}.conf"
    before = path.read_text()
    path.write_text("# by hand\n")
    try:
        done = subject.bench.run("setup", kind, check=False)
        assert done.returncode == 1  # no answer
        assert path.read_text() == "# by hand\n"
        subject.bench.run("setup", kind, "--yes")
        assert "first-frappe" in path.read_text()
    finally:
        path.write_text(before)


def test_supervisor_programs_are_in_three_groups_named_after_the_folder(subject: Subject) -> None:
    text = (subject.bench.path / "config" / "supervisor.conf").read_text()
    groups = dict(re.findall(r"\[group:([\w-]+)\]\nprograms=(.+)", text))
    assert set(groups) == {"first-web", "first-workers", "first-redis"}
    assert groups["first-web"].split(",")[0] == "first-frappe-web"
    assert set(groups["first-redis"].split(",")) == {"first-redis-cache", "first-redis-queue"}
    workers = {"first-frappe-schedule", "first-frappe-short-worker", "first-frappe-long-worker"}
    assert set(groups["first-workers"].split(",")) == workers
    assert "frappe.app:application" in text


def test_the_nginx_file_uses_a_log_format_that_debian_does_not_have(subject: Subject) -> None:
    path = subject.bench.path / "config" / "nginx.conf"
    before = path.read_text()
    try:
        subject.bench.run("setup", "nginx", "--yes")
        text = path.read_text()
    finally:
        path.write_text(before)
    assert re.search(r"access_log\s+\S+\s+main;", text)
    assert "upstream first-frappe {" in text
    assert re.search(rf"root\s+{subject.bench.path}/sites;", text)


def test_build_deletes_the_assets_of_the_build_before(subject: Subject) -> None:
    listed = subject.bench.path / "sites" / "assets" / "assets.json"
    name = "contract_app.bundle.js"
    old = json.loads(listed.read_text())[name]
    source = subject.bench.path / "apps" / "contract_app" / "contract_app" / "public" / "js" / name
    before = source.read_text()
    try:
        source.write_text(before + "window.more = true;\n")
        subject.bench.run("build", "--force", "--app", "contract_app")
        new = json.loads(listed.read_text())[name]
        assert new != old
        assert (listed.parents[1] / new.lstrip("/")).exists()
        assert not (listed.parents[1] / old.lstrip("/")).exists()
    finally:
        source.write_text(before)
        subject.bench.run("build", "--force", "--app", "contract_app")


def test_two_benches_builds_of_one_commit_differ(subject: Subject, second: Bench) -> None:
    maps = [json.loads((one.path / "sites" / "assets" / "assets.json").read_text()) for one in (subject.bench, second)]
    assert maps[0]["desk.bundle.js"] != maps[1]["desk.bundle.js"]


@pytest.fixture
def passive(subject: Subject, second: Bench) -> t.Iterator[pathlib.Path]:
    """SITE as a symlink in the second bench."""
    link = second.site_file(SITE)
    link.symlink_to(subject.bench.site_file(SITE))
    _serve_redis(second)
    yield link
    link.unlink()


_redis: dict[str, subprocess.Popen[bytes]] = {}


def _serve_redis(bench: Bench) -> None:
    if _redis:
        return
    for kind in ("cache", "queue"):
        command = ["redis-server", str(bench.path / "config" / f"redis_{kind}.conf")]
        _redis[kind] = subprocess.Popen(
            command, cwd=bench.path / "config" / "pids", stdout=subprocess.DEVNULL, **bench.flavour.identity()
        )
    for kind in _redis:
        connection = redis.Redis.from_url(bench.config[f"redis_{kind}"])
        wait_until(functools.partial(_answers, connection), 20, f"the second bench's redis_{kind} answers")


def _answers(connection: redis.Redis) -> bool:
    try:
        return bool(connection.ping())
    except redis.exceptions.ConnectionError:
        return False


@pytest.fixture(scope="session", autouse=True)
def _end_redis(subject: Subject) -> t.Iterator[None]:
    yield  # before the folder goes that Redis writes to when it ends
    for process in _redis.values():
        process.terminate()
        process.wait(20)


def test_a_symlinked_site_answers_commands_and_http_of_the_second_bench(
    passive: pathlib.Path, second: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert second.execute(SITE, "frappe.get_installed_apps") == ["frappe", "contract_app"]
    socket = second.path / "w.sock"
    with gunicorn(second, socket):
        assert ask(str(socket), SITE, PING).status == 200
        assert ask(str(socket), OTHER, PING).status == 404
        known = json.loads((second.path / "sites" / "assets" / "assets.json").read_text())
        assert known["desk.bundle.js"] in ask(str(socket), SITE, "/login").body


def test_ping_answers_in_a_bench_that_lacks_an_installed_app_and_pages_do_not(
    passive: pathlib.Path, second: Bench
) -> None:
    listed, folder = second.path / "sites" / "apps.txt", second.path / "apps" / "contract_app"
    before, away = listed.read_text(), second.path / "contract_app.away"
    listed.write_text("frappe")
    folder.rename(away)
    # clear-cache would ask for hooks and so fill it with the apps of before.
    redis.Redis.from_url(second.config["redis_cache"]).flushall()
    socket = second.path / "w.sock"
    try:
        with gunicorn(second, socket):
            assert ask(str(socket), SITE, PING).status == 200
            assert ask(str(socket), SITE, "/login").status == 500
    finally:
        away.rename(folder)
        listed.write_text(before)
        second.site(SITE, "clear-cache")


def test_a_symlinked_site_is_none_of_all_sites(passive: pathlib.Path, second: Bench) -> None:
    assert "Migrating" not in second.run("--site", "all", "migrate", check=False).stdout


def test_a_folder_of_links_is_one_of_all_sites(subject: Subject, second: Bench) -> None:
    folder = second.site_file(SITE)
    folder.mkdir()
    _serve_redis(second)
    for one in subject.bench.site_file(SITE).iterdir():
        (folder / one.name).symlink_to(one)
    subject.flavour.give(folder)
    try:
        done = second.run("--site", "all", "list-apps", "--format", "json")
        assert SITE in json.loads(done.stdout)
    finally:
        shutil.rmtree(folder)


def test_the_queue_of_the_second_bench_has_another_name(passive: pathlib.Path, second: Bench, subject: Subject) -> None:
    second.execute(SITE, "contract_app.api.start_job", seconds="0", number="70")
    connection = redis.Redis.from_url(second.config["redis_queue"], decode_responses=True)
    slug = str(second.path).strip("/").replace("/", "-")
    assert connection.smembers("rq:queues") == {f"rq:queue:{slug}:default"}
    connection.flushall()
    assert "NOT READY" not in subject.bench.site(SITE, "ready-for-migration").stdout


def test_touched_tables_replaces_its_link_instead_of_writing_through_it(
    changing: Subject, second: Bench, passive: pathlib.Path
) -> None:
    passive.unlink()
    passive.mkdir()
    original = changing.bench.site_file(SITE, "touched_tables.json")
    original.write_text('["stale"]')
    for one in changing.bench.site_file(SITE).iterdir():
        (passive / one.name).symlink_to(one)
    changing.flavour.give(passive)
    try:
        second.site(SITE, "migrate", "--skip-search-index")
        assert original.read_text() == '["stale"]'
        assert not (passive / "touched_tables.json").is_symlink()
        assert "tabSingles" in json.loads((passive / "touched_tables.json").read_text())
    finally:
        shutil.rmtree(passive)
        passive.symlink_to(changing.bench.site_file(SITE))


def test_web_processes_finish_the_request_in_flight_when_told_to_end(passive: pathlib.Path, second: Bench) -> None:
    socket = second.path / "w.sock"
    with gunicorn(second, socket) as process, concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(ask, str(socket), SITE, "/api/method/contract_app.api.slow?seconds=3")
        wait_until(lambda: _in_request(second), 20, "the request is being worked on")
        process.send_signal(signal.SIGTERM)
        assert slow.result().status == 200
        assert process.wait(30) == 0
        assert not socket.exists()


def _in_request(bench: Bench) -> bool:
    """Whether a connection of the site's account is open: web processes have one only during a request."""
    database = json.loads(bench.site_file(SITE, "site_config.json").read_text())["db_name"]
    rows = bench.services.mariadb.sql(f"SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{database}'")
    return rows != [["0"]]
