# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is found on a bench before a deployment, with a real bench's services around it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._core.lock import LockFolder
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import preflight
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.resources import Reserve
from tests.integration.preflight.look import LITTLE, ONE, Look, refused
from tests.integration.stage import BENCH
from tests.support.services import Nginx, Supervisor

pytestmark = pytest.mark.integration


def listing(folder: pathlib.Path) -> set[tuple[str, int]]:
    """Every file below a folder with the time of its last change, but for logs."""
    return {
        (str(path), path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and "logs" not in path.parts and path.suffix not in (".log", ".pid", ".pyc")
    }


def test_a_healthy_bench_may_be_deployed_to_before_it_was_ever_adopted(look: Look) -> None:
    found = look.at_bench()
    assert (found.failed, found.warnings) == ([], [])
    assert found.as_dict()["valid"] is True
    assert any("can be adopted" in text for text in found.passed)


def test_looking_changes_nothing(look: Look) -> None:
    before = listing(look.stage.bench.path)
    look.at_bench()
    look.at_site()
    assert listing(look.stage.bench.path) == before
    assert not (look.stage.folder / "state").exists()
    assert not (look.stage.folder / "run").exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [("missing", "there is no such folder"), ("empty", "it has no apps, no env, no sites"), ("file", "is not a bench")],
)
def test_a_folder_that_is_no_bench_is_told_apart(look: Look, tmp_path: pathlib.Path, name: str, told: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    failed = refused(lambda: look.at_bench(look.stage.context(path=str(tmp_path / name))))
    assert len(failed) == 1
    assert told in failed[0]


def test_a_user_that_does_not_exist_is_told(look: Look) -> None:
    with pytest.raises(LockstepError, match="there is no user nobody-of-that-name on this server"):
        look.stage.context(user="nobody-of-that-name")


def test_a_bench_command_that_does_not_exist_is_told(look: Look) -> None:
    failed = look.at_bench(look.stage.context(bench_command="/nowhere/bench")).failed
    assert failed == ["bench can't be started: No such file or directory"]


def test_a_python_that_does_not_exist_is_told(look: Look) -> None:
    failed = look.at_bench(look.stage.context(python="python9.9")).failed
    assert failed == [
        f"Python for new releases is missing: python9.9 is no program that {look.stage.bench.user} can run"
    ]


def test_a_redis_that_is_down_is_told(look: Look) -> None:
    with look.without_program("frappe-bench-redis:frappe-bench-redis-queue"):
        failed = look.at_bench().failed
    assert any(text.startswith(f"redis_queue of {look.stage.bench.path}: Redis at 127.0.0.1:") for text in failed)
    assert not any("redis_cache" in text for text in failed)


def test_workers_that_are_gone_are_a_warning(look: Look) -> None:
    with look.without_program("frappe-bench-workers:*"):
        found = look.at_bench()
    assert found.valid
    assert found.warnings == [f"no worker of {look.stage.bench.path} is at work: queued jobs would not end"]


def test_a_broken_nginx_configuration_is_told_in_its_words(look: Look) -> None:
    with look.file(look.stage.services.nginx.conf_d / "broken.conf", "server { listen"):
        failed = look.at_bench().failed
    assert len(failed) == 1
    assert "nginx does not take its configuration" in failed[0]
    assert "broken.conf" in failed[0]


def test_an_nginx_that_does_not_run_is_told(look: Look, tmp_path: pathlib.Path) -> None:
    other = Nginx(tmp_path)
    other.prepare()
    options = {**look.stage.options()["nginx"], "conf": str(other.config), "prefix": str(other.prefix)}
    failed = look.at_bench(look.stage.context(nginx=options)).failed
    assert len(failed) == 1
    assert "nginx does not run" in failed[0]


def test_protection_in_nginx_that_can_not_be_taken_over_is_told_before_anything_changes(look: Look) -> None:
    conf = look.stage.services.nginx.conf_d / "frappe-bench.conf"
    text = conf.read_text()
    closed = text.replace("location @webserver {", "location @webserver { auth_request /allowed;")
    with look.file(conf, closed):
        failed = look.at_bench().failed
        with pytest.raises(LockstepError, match="auth_request /allowed in location @webserver") as caught:
            look.adopt()
    assert caught.value.left == "nothing was changed"
    assert len(failed) == 1
    assert "auth_request /allowed in location @webserver. nothing was changed. move it into the server" in failed[0]
    assert not look.stage.context().record.exists()
    with look.file(conf, text.replace("location @webserver {", "location @webserver { proxy_buffering off;")):
        found = look.at_bench()
    assert found.valid
    assert [
        one for one in found.warnings if one.endswith("proxy_buffering off in location @webserver is not carried over")
    ]


def test_a_process_manager_that_does_not_answer_is_told(look: Look, tmp_path: pathlib.Path) -> None:
    other = Supervisor(tmp_path)
    other.folder.mkdir()
    other.prepare()
    context = look.stage.context(supervisor={"control": other.control(), "conf_dir": str(tmp_path)})
    failed = look.at_bench(context).failed
    assert len(failed) == 1
    assert failed[0].startswith("supervisorctl status failed")


def test_a_disk_that_is_too_full_is_told_with_what_is_needed(look: Look) -> None:
    place = os.statvfs("/tmp")
    left = Reserve(1.5, place.f_blocks * place.f_frsize)
    failed = look.at_bench(reserve=left).failed
    assert len(failed) == 1
    assert failed[0].startswith("only ")
    assert "the new release" in failed[0]
    assert f"the backup of {ONE}" in failed[0]


def test_a_small_file_system_for_backups_is_told(look: Look, small: pathlib.Path) -> None:
    context = look.stage.context(backup_dir=str(small / "backups"))
    failed = look.at_bench(context, reserve=Reserve()).failed
    assert [text for text in failed if f"the file system of {small}/backups" in text]
    failed = look.at_site(context=context, reserve=Reserve()).failed
    assert len(failed) == 1
    assert "only " in failed[0]
    assert "needed: the backup of site1.local" in failed[0]


def test_sites_can_not_move_to_another_file_system(look: Look, small: pathlib.Path) -> None:
    failed = look.at_bench(look.stage.context(root=str(small / "root")), reserve=Reserve(0, 0)).failed
    assert len(failed) == 1
    assert "lies on another file system" in failed[0]


def test_too_little_memory_is_a_warning(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.res, "memory_available", lambda: 2_000_000)
    found = look.at_bench()
    assert found.valid
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("2 MB of memory are available, and a second release takes about ")


def test_a_folder_for_sockets_with_too_long_a_path_is_told(look: Look, tmp_path: pathlib.Path) -> None:
    failed = look.at_bench(look.stage.context(runtime_dir=str(tmp_path / ("long" * 25)))).failed
    assert len(failed) == 1
    assert "107 is the most Linux takes" in failed[0]


def test_a_lock_set_by_hand_is_never_overruled(look: Look) -> None:
    path = look.stage.folder / "state" / "locks" / f"{BENCH}.json"
    with look.file(path, json.dumps({"owner": "ada, disk is being replaced", "manual": True})):
        failed = look.at_bench().failed
    assert failed == [
        f"{BENCH} was locked by hand by ada, disk is being replaced; remove {path} when you know why it was set"
    ]


def test_everything_that_is_wrong_is_told_at_once(look: Look) -> None:
    context = look.stage.context(python="python9.9")
    lock = look.stage.folder / "state" / "locks" / f"{BENCH}.json"
    broken = look.stage.services.nginx.conf_d / "broken.conf"
    with look.file(lock, json.dumps({"owner": "ada", "manual": True})), look.file(broken, "server { listen"):
        assert len(look.at_bench(context).failed) == 3


@pytest.mark.parametrize("unit", ["../../etc", "a b", "it's", "-rf", ""])
def test_a_unit_with_an_odd_name_is_refused(look: Look, unit: str) -> None:
    context, apps = look.stage.context(), look.stage.apps()
    failed = preflight.BenchPreflight(context, unit, "d1", apps, (), False, LITTLE).look().failed
    assert len(failed) == 1
    assert "is no name for a unit" in failed[0]


def test_an_adopted_bench_whose_release_is_built_may_be_deployed_to(adopted: Look) -> None:
    found = adopted.at_bench()
    assert (found.failed, found.warnings) == ([], [])
    assert any(text.endswith("runs already") for text in found.passed)
    assert adopted.at_site().failed == []


def test_a_release_that_serves_and_was_changed_in_place_is_told(adopted: Look) -> None:
    bench = adopted.stage.bench
    before = bench.git("custom_app", "rev-parse", "HEAD")
    bench.checkout("custom_app", "v0.9.1")
    try:
        failed = adopted.at_bench().failed
    finally:
        bench.git("custom_app", "checkout", "--quiet", before)
    assert len(failed) == 1
    assert "drifted: custom_app is at " in failed[0]


def test_local_changes_are_a_warning(adopted: Look) -> None:
    path = adopted.stage.bench.path / "apps" / "erpnext" / "erpnext" / "hooks.py"
    with adopted.file(path, path.read_text() + "# mended by hand\n"):
        found = adopted.at_bench()
    assert found.valid
    assert found.warnings == [
        f"erpnext in {adopted.stage.bench.path} have local changes that the new release won't have"
    ]


def test_no_place_for_another_release_is_told(adopted: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    context = adopted.stage.context()
    others = [adopted.stage.apps({"frappe": tag}) for tag in ("v15.9.1", "v16.0.0-additive")]
    for number, apps in enumerate(others):
        context.record.reserve(f"0000000{number}", f"/nowhere/{number}", apps)
    wanted = adopted.stage.apps({"frappe": "v16.0.0-bad"})
    try:
        assert adopted.at_bench(context, apps=wanted).valid, "the oldest release that no site needs makes room"
        monkeypatch.setattr(preflight.Processes, "active_sites", lambda _self, _release: [ONE])
        failed = adopted.at_bench(context, apps=wanted).failed
    finally:
        for number, _apps in enumerate(others):
            context.record.forget(f"0000000{number}")
    assert len(failed) == 1
    assert failed[0].startswith("all 3 places for releases are taken by ")


def test_a_deployment_that_was_not_finished_is_told_with_the_way_out(adopted: Look) -> None:
    state = adopted.stage.folder / "state"
    journal = Journal(str(state / "units" / ONE))
    journal.open(unit=ONE, driver="frappe_site", deployment_id="20261101T000000Z-abcdef", data={})
    try:
        failed = adopted.at_site(ONE).failed
    finally:
        journal.close("restored")
    command = "playbooks/rollback.yml -e deployment_id=20261101T000000Z-abcdef"
    assert failed == [f"deployment 20261101T000000Z-abcdef of {ONE} was not finished; roll it back first: {command}"]


def test_another_deployment_that_is_at_work_is_told(adopted: Look) -> None:
    locks = LockFolder(str(adopted.stage.folder / "state" / "locks"))
    held = locks.acquire(ONE, "20261120T000000Z-fedcba", lease=60)
    try:
        failed = adopted.at_site(ONE).failed
    finally:
        locks.release(held)
    assert len(failed) == 1
    assert failed[0].startswith(f"{ONE} is locked by deployment 20261120T000000Z-fedcba since ")


@pytest.fixture
def small(tmp_path: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """A file system of 20 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m,mode=0755", "lockstep-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
