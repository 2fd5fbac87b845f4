# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What bench wants to run is what a release runs, under names and a socket of its own."""

from __future__ import annotations

import configparser
import io
import pathlib
import shlex
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import programs
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.programs import Program

# As bench 5 writes it for Frappe 15, with two short workers.
BENCH_FILE = """\
; Notes:
; priority=1 --> Lower priorities indicate programs that start first and shut down last
[program:frappe-bench-frappe-web]
command=/b/env/bin/gunicorn -b 127.0.0.1:8000 -w 17 --max-requests 5000 -t 120 frappe.app:application --preload
priority=4
autostart=true
stdout_logfile=/b/logs/web.log
stderr_logfile=/b/logs/web.error.log
stopwaitsecs=40
killasgroup=true
user=frappe
directory=/b/sites
startretries=10

[program:frappe-bench-frappe-schedule]
command=/usr/local/bin/bench schedule
priority=3
stdout_logfile=/b/logs/schedule.log
stderr_logfile=/b/logs/schedule.error.log
user=frappe
directory=/b

[program:frappe-bench-frappe-short-worker]
command=/usr/local/bin/bench worker --queue short,default
environment=FORKED_BY="bench",MODE="50%%"
stdout_logfile=/b/logs/worker.log
stderr_logfile=/b/logs/worker.error.log
user=frappe
stopwaitsecs=1560
directory=/b
numprocs=2
process_name=%(program_name)s-%(process_num)d

[program:frappe-bench-redis-cache]
command=/usr/bin/redis-server /b/config/redis_cache.conf
stdout_logfile=/b/logs/redis-cache.log
stderr_logfile=/b/logs/redis-cache.error.log
directory=/b/sites

[program:frappe-bench-node-socketio]
command=/usr/bin/node /b/apps/frappe/socketio.js
directory=/b

[group:frappe-bench-web]
programs=frappe-bench-frappe-web,frappe-bench-node-socketio

[group:frappe-bench-workers]
programs=frappe-bench-frappe-schedule,frappe-bench-frappe-short-worker
"""
KINDS = ["frappe-web", "frappe-schedule", "frappe-short-worker", "redis-cache", "node-socketio"]
SOCKET = "/run/lockstep/0a1b2c3d/web.sock"


@pytest.fixture
def found(tmp_path: pathlib.Path) -> list[Program]:
    (tmp_path / "supervisor.conf").write_text(BENCH_FILE)
    read, groups = programs.read_programs(str(tmp_path / "supervisor.conf"))
    assert groups == ["frappe-bench-web", "frappe-bench-workers"]
    return read


@pytest.fixture
def released(found: list[Program]) -> list[Program]:
    return programs.of_release(found, "lockstep-shop-cafe0123", SOCKET, "/b/config/gunicorn.py")


def test_only_names_and_the_web_servers_socket_differ(found: list[Program], released: list[Program]) -> None:
    assert [program.name for program in released] == [f"lockstep-shop-cafe0123-{kind}" for kind in KINDS]
    web, *others = released
    assert list(web.argv[:5]) == ["/b/env/bin/gunicorn", "-c", "/b/config/gunicorn.py", "-b", f"unix:{SOCKET}"]
    assert web.argv[5:] == found[0].argv[3:]
    for before, after in zip(found[1:], others, strict=True):
        assert after._replace(name=before.name) == before


def test_what_bench_says_of_stopping_and_of_numbers_is_kept(released: list[Program]) -> None:
    assert [(program.stop_seconds, program.processes) for program in released] == [
        (40, 1),
        (40, 1),
        (1560, 2),
        (40, 1),
        (40, 1),
    ]


@pytest.mark.parametrize("user", ["frappe", None])
def test_supervisor_reads_what_is_written_for_it(released: list[Program], user: str | None) -> None:
    text = programs.supervisor_text(released, "lockstep-shop-cafe0123", user)
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    parser.read_file(io.StringIO(text))
    assert parser["group:lockstep-shop-cafe0123"]["programs"].split(",") == [program.name for program in released]
    for program in released:
        section = parser[f"program:{program.name}"]
        assert tuple(shlex.split(section["command"].replace("%%", "%"))) == program.argv
        assert section.get("user") == user
        assert section["process_name"] % {"program_name": "x", "process_num": 1} == "x-1"
        assert int(section["numprocs"]) == program.processes
        assert int(section["stopwaitsecs"]) == program.stop_seconds
        assert (section["priority"] == "1") == program.is_redis
    worker = parser["program:lockstep-shop-cafe0123-frappe-short-worker"]
    assert worker["environment"] == 'FORKED_BY="bench",MODE="50%%"'


def test_a_percent_sign_reaches_supervisors_command_as_it_is(released: list[Program]) -> None:
    program = released[1]._replace(argv=("/bin/date", "+%H", "a b"))
    parser = configparser.RawConfigParser()
    parser.read_file(io.StringIO(programs.supervisor_text([program], "g", None)))
    command = parser[f"program:{program.name}"]["command"]
    assert shlex.split(command % {}) == ["/bin/date", "+%H", "a b"]


def test_systemd_has_a_unit_per_process_and_a_target_that_starts_and_stops_them(released: list[Program]) -> None:
    units = programs.systemd_units(released, "lockstep-shop-cafe0123", "frappe")
    assert sorted(units) == sorted(
        [
            "lockstep-shop-cafe0123.target",
            *(f"lockstep-shop-cafe0123-{kind}-0.service" for kind in KINDS),
            "lockstep-shop-cafe0123-frappe-short-worker-1.service",
        ]
    )
    for program in released:
        parsed = _unit(units[f"{program.name}-0.service"])
        assert parsed["Unit"]["PartOf"] == ["lockstep-shop-cafe0123.target"]
        assert parsed["Install"]["WantedBy"] == ["lockstep-shop-cafe0123.target"]
        assert parsed["Service"]["User"] == ["frappe"]
        assert parsed["Service"]["WorkingDirectory"] == [program.directory]
        assert tuple(shlex.split(parsed["Service"]["ExecStart"][0].replace("%%", "%"))) == program.argv
        assert parsed["Service"]["TimeoutStopSec"] == [str(program.stop_seconds)]
    assert _unit(units["lockstep-shop-cafe0123.target"])["Install"]["WantedBy"] == ["multi-user.target"]


def test_what_systemd_is_told_to_wait_for_exists(released: list[Program]) -> None:
    units = programs.systemd_units(released, "lockstep-shop-cafe0123", "frappe")
    for text in units.values():
        for name in " ".join(_unit(text)["Unit"].get("After", [])).split():
            assert name in units or not name.startswith("lockstep-"), f"{name} is none of {sorted(units)}"


def test_systemd_gets_the_environment_that_supervisor_gets(released: list[Program]) -> None:
    units = programs.systemd_units(released, "g", "frappe")
    service = _unit(units["lockstep-shop-cafe0123-frappe-short-worker-0.service"])["Service"]
    assert service["Environment"] == ["FORKED_BY=bench", "MODE=50%%"]


def test_answers_of_gunicorn_name_the_release() -> None:
    module = types.ModuleType("gunicorn_conf")
    exec(compile(programs.gunicorn_hook("cafe0123"), "gunicorn.py", "exec"), module.__dict__)
    sent: list[t.Any] = []

    def application(environ: dict[str, str], start_response: t.Callable[..., t.Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode()]

    worker = types.SimpleNamespace(wsgi=application)
    module.post_worker_init(worker)
    assert worker.wsgi({"PATH_INFO": "/x"}, lambda *given: sent.append(given)) == [b"/x"]
    assert sent == [("200 OK", [("Content-Type", "text/plain"), ("X-Lockstep-Release", "cafe0123")])]


@pytest.mark.parametrize("text", [None, "command=without a section\n"])
def test_a_file_that_is_no_supervisor_configuration_is_a_clear_error(tmp_path: pathlib.Path, text: str | None) -> None:
    path = tmp_path / "supervisor.conf"
    if text is not None:
        path.write_text(text)
    with pytest.raises(LockstepError, match=r"supervisor\.conf can't be read") as caught:
        programs.read_programs(str(path))
    assert "bench setup supervisor" in str(caught.value.hint)


def _written(changed: Program) -> list[t.Callable[[], object]]:
    return [
        lambda: programs.supervisor_text([changed], "g", "frappe"),
        lambda: programs.systemd_units([changed], "g", "frappe"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"directory": "/b\n[program:evil]\nuser=root"},
        {"stdout": "/b/logs/x\n[program:evil]"},
        {"environment": 'A="1"\n\n[program:evil]'},
        {"argv": ("/bin/true", "a\n[program:evil]")},
        {"argv": ("/bin/true", "a\x0bb")},
        {"argv": ("/bin/true", "a ;b")},
        {"argv": ("+/bin/true",)},
        {"argv": ()},
        {"directory": "relative"},
        {"directory": "/b/%(ENV_HOME)s"},
        {"directory": "/b\\"},
        {"stderr": "/b/../etc/x"},
        {"environment": 'A="%(ENV_SECRET)s"'},
        {"environment": 'A="'},
        {"name": "../../etc/x"},
        {"name": "a]\n[b"},
        {"processes": 0},
        {"processes": 10**9},
    ],
)
def test_what_would_mean_more_than_itself_to_root_is_refused(found: list[Program], change: dict[str, t.Any]) -> None:
    for write in _written(found[1]._replace(**change)):
        with pytest.raises(LockstepError):
            write()


def test_no_user_and_no_group_can_carry_further_settings(found: list[Program]) -> None:
    for group, user in (("g\n", "frappe"), ("g", "frappe\nuser=root"), ("a b", "frappe")):
        with pytest.raises(LockstepError):
            programs.supervisor_text(found, group, user)
        with pytest.raises(LockstepError):
            programs.systemd_units(found, group, user)


def test_a_continued_line_of_bench_makes_no_section_of_its_own(tmp_path: pathlib.Path) -> None:
    evil = BENCH_FILE.replace("directory=/b\n", "directory=/b\n  [program:evil]\n  command=/bin/sh\n  user=root\n", 1)
    assert evil != BENCH_FILE
    (tmp_path / "supervisor.conf").write_text(evil)
    read, _groups = programs.read_programs(str(tmp_path / "supervisor.conf"))
    released = programs.of_release(read, "g", SOCKET, "/b/config/gunicorn.py")
    for write in (programs.supervisor_text, programs.systemd_units):
        with pytest.raises(LockstepError, match="more than one value"):
            write(released, "g", "frappe")


@pytest.mark.parametrize("line", ["", "command=/bin/sh 'a", "command=/bin/sh\nnumprocs=many"])
def test_a_program_that_cannot_be_read_is_a_clear_error(tmp_path: pathlib.Path, line: str) -> None:
    (tmp_path / "supervisor.conf").write_text(f"[program:x]\n{line}\n")
    with pytest.raises(LockstepError, match=r"a program of .* has no command, or one that can't be read"):
        programs.read_programs(str(tmp_path / "supervisor.conf"))


def test_logs_stay_in_the_bench(found: list[Program], tmp_path: pathlib.Path) -> None:
    bench = tmp_path / "bench"
    (bench / "logs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(bench)
    inside = found[1]._replace(stdout=str(bench / "logs" / "a.log"), stderr=str(tmp_path / "link" / "logs" / "b.log"))
    assert programs.confined([inside, found[4]], str(bench)) == [inside, found[4]], "also those that name no file"
    (bench / "logs" / "planted.log").symlink_to(tmp_path / "cron")
    for path in (tmp_path / "bench2" / "x.log", bench / ".." / "x.log", bench / "logs" / "planted.log"):
        with pytest.raises(LockstepError, match="not below"):
            programs.confined([inside._replace(stderr=str(path))], str(bench))


def test_systemd_keeps_the_output_of_who_names_no_file(released: list[Program]) -> None:
    units = programs.systemd_units(released, "g", "frappe")
    service = _unit(units["lockstep-shop-cafe0123-node-socketio-0.service"])["Service"]
    assert service["StandardOutput"] == service["StandardError"] == ["journal"]


def _unit(text: str) -> dict[str, dict[str, list[str]]]:
    """A systemd unit file; keys may be given more than once."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in filter(None, text.splitlines()):
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        else:
            name, _equals, value = line.partition("=")
            section.setdefault(name, []).append(value)
    return found
