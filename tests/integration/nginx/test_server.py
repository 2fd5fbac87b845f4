# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of nginx is in force when the call returns, or everything is as it was."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import threading
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import ask, config, seal
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Bridge, Front, Listen
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import parse
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.runtime import Runtime, clear_stale_sockets
from tests.integration.nginx.scene import ME, Scene, Visitors, free_port, tcp_server, wait_until

pytestmark = pytest.mark.integration


def workers(scene: Scene) -> frozenset[int]:
    return scene.nginx.master().workers()


class Before:
    """What must be as it was after a change that failed."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._seen = self._look()

    def _look(self) -> tuple[object, ...]:
        files = {file.name: file.read_text() for file in self._scene.conf_dir.iterdir()}
        return files, self._scene.nginx.serving(), sorted(os.listdir(self._scene.folder / "state"))

    def assert_back(self) -> None:
        assert self._look() == self._seen
        self._scene.nginx.test()


@pytest.fixture
def first(scene: Scene) -> Before:
    """A scene that serves site1.local."""
    scene.apply(scene.site("site1.local"))
    return Before(scene)


def test_the_first_change_is_served_when_it_returns(scene: Scene) -> None:
    rendered = scene.rendered(scene.site("site1.local"))
    assert scene.nginx.serving() is None
    applied = scene.nginx.apply({config.FILE: rendered.text}, rendered.generation)
    assert applied == (True, rendered.generation, (), ())
    assert scene.nginx.serving() == rendered.generation
    assert scene.get("/lockstep-generation").text.strip() == rendered.generation


def test_the_same_change_again_changes_nothing_and_reloads_nothing(scene: Scene, first: Before) -> None:
    before = workers(scene)
    assert not scene.apply(scene.site("site1.local")).changed
    assert workers(scene) == before
    first.assert_back()


def test_files_that_are_right_but_not_served_are_taken_into_force(scene: Scene, first: Before) -> None:
    path = scene.conf_dir / config.FILE
    right = path.read_text()
    path.write_text(right.replace(str(scene.nginx.serving()), "0" * 16))
    before = workers(scene)
    subprocess.run([*scene.argv, "-s", "reload"], check=True)
    # A worker of before may answer as long as it is there.
    wait_until(lambda: not before & workers(scene), "the workers of before are gone")
    wait_until(lambda: scene.nginx.serving() == "0" * 16, "the other file is served")
    path.write_text(right)
    assert scene.apply(scene.site("site1.local")).changed
    first.assert_back()


def test_old_workers_take_no_more_requests_when_a_change_returns(scene: Scene, first: Before) -> None:
    before = workers(scene)
    scene.apply(scene.site("site1.local"), scene.site("site2.local"))
    assert not before & workers(scene)


def test_changes_under_load_lose_no_request_on_new_connections(scene: Scene, first: Before) -> None:
    """Visitors that open a connection per request; what idle connections lose is nginx's own affair."""
    with Visitors(lambda: scene.get("/lockstep-generation")) as visitors:
        for number in range(2, 6):
            scene.apply(*(scene.site(f"site{site}.local") for site in range(1, number + 1)))
    assert visitors.failures() == []
    assert visitors.count > 50


def test_a_mistake_is_told_in_nginxs_words_and_put_back(scene: Scene, first: Before) -> None:
    with pytest.raises(LockstepError) as caught:
        scene.nginx.apply({config.FILE: "server { listen 80; nonsense on; }\n"}, "x")
    assert 'unknown directive "nonsense"' in caught.value.message
    assert caught.value.left == "the files from before are back"
    first.assert_back()


def test_a_host_that_can_not_be_resolved_is_put_back(scene: Scene, first: Before) -> None:
    text = f"server {{ listen 127.0.0.1:{free_port()}; location / {{ proxy_pass http://nowhere.invalid; }} }}\n"
    with pytest.raises(LockstepError, match=r"host not found in upstream .nowhere\.invalid"):
        scene.nginx.apply({config.FILE: text}, "x")
    first.assert_back()


def test_a_port_in_use_is_noticed_although_test_and_reload_succeed(scene: Scene, first: Before) -> None:
    with tcp_server(lambda _connection: None) as port:
        front = Front(("site1.local",), (Listen(f"127.0.0.1:{port}"),))
        with pytest.raises(LockstepError) as caught:
            scene.apply(scene.site("site1.local", front))
    assert f"bind() to 127.0.0.1:{port} failed (98: Address already in use)" in caught.value.message
    assert "still could not bind()" in str(caught.value.detail)
    assert caught.value.left == "the configuration from before is in force"
    first.assert_back()


def test_a_name_in_an_earlier_file_is_noticed_although_nginx_only_warns(scene: Scene, first: Before) -> None:
    (scene.conf_dir / "00-first.conf").write_text(
        f"server {{ listen 127.0.0.1:{scene.port}; server_name site2.local; return 200; }}"
    )
    before = Before(scene)
    with pytest.raises(LockstepError) as caught:
        scene.apply(scene.site("site1.local"), scene.site("site2.local"))
    assert f"site2.local on 127.0.0.1:{scene.port} is answered by {scene.conf_dir}/00-first.conf:1" in str(caught.value)
    before.assert_back()


def test_a_name_in_a_later_file_is_ours_without_a_word(scene: Scene) -> None:
    (scene.conf_dir / "bench.conf").write_text(
        f"server {{ listen 127.0.0.1:{scene.port}; server_name site1.local site9.local; return 200 bench; }}"
    )
    assert scene.apply(scene.site("site1.local")).warnings == ()
    assert scene.get("/").text != "bench"
    assert scene.get("/", host="site9.local").text == "bench"


def test_a_site_is_asked_for_as_its_visitors_reach_it(scene: Scene, first: Before) -> None:
    served = parse((scene.conf_dir / config.FILE).read_text())
    ask.fronts(served, scene.nginx.serving())
    for front, problem in (
        (Front(("site2.local",), (Listen(f"127.0.0.1:{scene.port}"),)), "is answered by another server (status 404)"),
        (Front(("site1.local",), (Listen(f"127.0.0.1:{free_port()}"),)), "no connection"),
        (Front(("site1.local",), (Listen(f"127.0.0.1:{scene.port}", ("ssl",)),)), "no TLS connection"),
    ):
        other = parse(scene.rendered(scene.site("site2.local", front)).text)
        with pytest.raises(LockstepError) as caught:
            ask.fronts(other, scene.nginx.serving())
        assert problem in caught.value.message


def test_a_server_that_names_another_generation_is_not_believed(scene: Scene, first: Before) -> None:
    wanted = scene.rendered(scene.site("site2.local"))
    with pytest.raises(LockstepError, match=f"serves generation {wanted.generation}, not 0000") as caught:
        scene.nginx.apply({config.FILE: wanted.text}, "0000", timeout=2)
    assert caught.value.left == "the configuration from before is in force"
    first.assert_back()


def test_a_site_that_is_not_served_from_our_file_is_not_believed(scene: Scene, first: Before) -> None:
    wanted = scene.rendered(scene.site("site2.local"))
    head, server_name, rest = wanted.text.partition("server_name site2.local;")
    text = head + server_name + rest.replace("$lockstep_generation", "somebody else")
    with pytest.raises(LockstepError, match=r"for every site: site2\.local on 127\.0\.0\.1:\d+ is answered by another"):
        scene.nginx.apply({config.FILE: text}, wanted.generation)
    first.assert_back()


def test_what_the_caller_does_not_confirm_is_put_back(scene: Scene, first: Before) -> None:
    def refuse() -> None:
        assert scene.nginx.serving() == wanted.generation
        raise LockstepError("site2.local does not answer")

    wanted = scene.rendered(scene.site("site2.local"))
    with pytest.raises(LockstepError, match="does not answer") as caught:
        scene.nginx.apply({config.FILE: wanted.text}, wanted.generation, confirm=refuse)
    assert caught.value.left == "the configuration from before is in force"
    first.assert_back()


def test_an_interrupt_is_put_back_too(scene: Scene, first: Before) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    wanted = scene.rendered(scene.site("site2.local"))
    with pytest.raises(KeyboardInterrupt):
        scene.nginx.apply({config.FILE: wanted.text}, wanted.generation, confirm=interrupt)
    first.assert_back()


def test_a_first_change_that_fails_leaves_no_file(scene: Scene) -> None:
    with pytest.raises(LockstepError):
        scene.nginx.apply({config.FILE: "nonsense;"}, "x")
    assert list(scene.conf_dir.iterdir()) == []


def test_a_file_is_removed_and_no_longer_served(scene: Scene, first: Before) -> None:
    assert scene.nginx.apply({config.FILE: None}, None).changed
    assert scene.nginx.serving() is None
    assert list(scene.conf_dir.iterdir()) == []
    assert not scene.nginx.apply({config.FILE: None}, None).changed


def test_what_a_killed_change_left_is_put_back_by_the_next_one(scene: Scene, first: Before) -> None:
    """The state after ``kill -9`` between the swap of the files and the reload."""
    path = scene.conf_dir / config.FILE
    pending = {"files": {config.FILE: path.read_text()}, "generation": scene.nginx.serving()}
    atomic.write_json(str(scene.folder / "state" / "pending.json"), pending)
    path.write_text(seal.seal("the change that was under way"))
    assert scene.nginx.recover()
    first.assert_back()
    assert not scene.nginx.recover()


def test_a_change_repairs_what_a_killed_change_left_broken(scene: Scene) -> None:
    (scene.folder / "state").mkdir()
    atomic.write_json(
        str(scene.folder / "state" / "pending.json"),
        {"files": {config.FILE: seal.seal("broken {")}, "generation": None},
    )
    assert scene.apply(scene.site("site1.local")).changed
    assert os.listdir(scene.folder / "state") == ["lock"]


def test_a_configuration_somebody_else_broke_is_not_made_worse(scene: Scene, first: Before) -> None:
    (scene.conf_dir / "zz-broken.conf").write_text("nonsense;")
    with pytest.raises(LockstepError) as caught:
        scene.apply(scene.site("site2.local"))
    assert "zz-broken.conf:1" in caught.value.message
    assert caught.value.left is not None
    assert caught.value.left.startswith("the files from before are back, but")
    (scene.conf_dir / "zz-broken.conf").unlink()
    scene.nginx.recover()
    first.assert_back()


def test_without_a_running_nginx_it_says_so_and_leaves_the_files(scene: Scene, first: Before) -> None:
    files = {file.name: file.read_text() for file in scene.conf_dir.iterdir()}
    scene.kill()
    with pytest.raises(LockstepError, match="nginx does not run") as caught:
        scene.apply(scene.site("site2.local"))
    assert caught.value.hint is not None
    assert "start it" in caught.value.hint
    assert {file.name: file.read_text() for file in scene.conf_dir.iterdir()} == files


def test_a_killed_nginx_starts_again_once_its_sockets_are_cleared(scene: Scene, first: Before) -> None:
    scene.kill()
    failed = subprocess.run([*scene.argv, "-g", "daemon off;"], capture_output=True, text=True, check=False)
    assert failed.returncode != 0
    assert "Address already in use" in scene.error_log.read_text()
    assert clear_stale_sockets(str(scene.run)) == [str(scene.run / "nginx" / "generation.sock")]
    scene.start()
    first.assert_back()


def test_two_changes_at_once_are_made_one_after_the_other(scene: Scene, first: Before) -> None:
    problems: list[BaseException] = []

    def change(name: str) -> None:
        try:
            scene.apply(scene.site("site1.local"), scene.site(name))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=change, args=(f"other{number}.local",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert f'"{scene.nginx.serving()}"' in (scene.conf_dir / config.FILE).read_text()


def test_a_lock_that_is_not_given_up_is_an_error_in_time(scene: Scene, first: Before) -> None:
    with (scene.folder / "state" / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(LockstepError, match="another change of nginx is under way"):
            scene.apply(scene.site("site2.local"), timeout=0.2)
    first.assert_back()


@pytest.mark.parametrize("name", ["../x.conf", "/etc/x.conf", "x", ""])
def test_only_files_of_its_own_folder_are_touched(scene: Scene, name: str) -> None:
    with pytest.raises(LockstepError, match="is not the name of a file"):
        scene.nginx.apply({name: "x"}, None)


def upgrade(port: int, host: str, path: str) -> socket.socket:
    """A client that was switched to the websocket protocol."""
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode())
    assert client.recv(4096).startswith(b"HTTP/1.1 101")
    return client


def echo(heard: list[str]) -> t.Callable[[socket.socket], None]:
    """A realtime server: switches protocols if it is asked to, and sends back what it gets."""

    def handle(connection: socket.socket) -> None:
        heard.append(connection.recv(4096).decode())
        if "Upgrade: websocket" in heard[-1]:
            connection.sendall(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            while data := connection.recv(4096):
                connection.sendall(data)
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npoll")

    return handle


def test_realtime_on_a_port_is_reached_through_the_live_link(scene: Scene) -> None:
    heard: list[str] = []
    with tcp_server(echo(heard)) as port:
        release = scene.release("blue").start()
        scene.traffic("site1.local").switch(release.folder)
        scene.apply(scene.site("site1.local"), bridges=[Bridge(release.runtime.bridge("realtime.sock"), port)])
        with upgrade(scene.port, "site1.local", "/socket.io/?transport=websocket") as client:
            for word in (b"one", b"two"):
                client.sendall(word)
                assert client.recv(4096) == word
        answer = scene.get("/socket.io/?transport=polling")
    assert answer.text == "poll"
    assert "X-Frappe-Site-Name: site1.local\r\n" in heard[0]
    assert "Origin: http://site1.local\r\n" in heard[0]
    assert "Host: site1.local\r\n" in heard[0]


def test_an_open_websocket_outlives_a_reload(scene: Scene) -> None:
    with tcp_server(echo([])) as port:
        release = scene.release("blue").start()
        bridge = Bridge(release.runtime.bridge("realtime.sock"), port)
        scene.traffic("site1.local").switch(release.folder)
        scene.apply(scene.site("site1.local"), bridges=[bridge])
        with upgrade(scene.port, "site1.local", "/socket.io/") as client:
            scene.apply(scene.site("site1.local"), scene.site("site2.local"), bridges=[bridge])
            assert scene.nginx.master().leaving()
            client.sendall(b"still here")
            assert client.recv(4096) == b"still here"
        wait_until(lambda: not scene.nginx.master().leaving(), "the worker that held it is gone")


def test_an_adopted_bench_on_ports_is_served_as_one_on_sockets(scene: Scene) -> None:
    """Its web processes name no release and know nothing of sockets; private files still go by X-Accel-Redirect."""
    old = scene.release("direct").start()
    web = old.runtime.socket("web.sock")

    def relay(connection: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(web)
            upstream.sendall(connection.recv(65536))
            while data := upstream.recv(65536):
                connection.sendall(data)

    with tcp_server(relay) as port:
        place = Runtime("adopted", ME, "/none", bridged=("web.sock", "realtime.sock"), root=str(scene.run))
        place.prepare(str(scene.folder / "no-tmpfiles"))
        scene.apply(bridges=[Bridge(place.bridge("web.sock"), port, "adopted")])
        scene.traffic("site1.local").switch(place.folder)
        scene.apply(scene.site("site1.local"), bridges=[Bridge(place.bridge("web.sock"), port, "adopted")])
        (scene.folder / "data" / "site1.local" / "private" / "files" / "a.txt").write_text("private")
        answer = scene.get("/")
        assert (answer.status, answer.headers["x-lockstep-release"]) == (200, "adopted")
        assert '"Host": "site1.local"' in answer.text
        assert scene.get("/busy").headers["x-lockstep-release"] == "adopted"
        assert scene.get("/private/files/a.txt").text == "private"
