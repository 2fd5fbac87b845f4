# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A release's socket folder is where nginx looks for it, also after a reboot."""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import socket
import subprocess

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import links, live, runtime
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.runtime import Runtime

ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def boot(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder for systemd-tmpfiles, which this server has."""
    folder = tmp_path / "tmpfiles.d"
    folder.mkdir()
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/systemd-tmpfiles")
    return folder


def release(tmp_path: pathlib.Path, name: str = "bench#1", **options: tuple[str, ...]) -> Runtime:
    return Runtime(name, ME, str(tmp_path / "assets"), root=str(tmp_path / "run"), **options)


def test_a_folder_holds_links_to_assets_and_bridges(tmp_path: pathlib.Path, boot: pathlib.Path) -> None:
    place = release(tmp_path, bridged=("web.sock", "realtime.sock"))
    assert place.prepare(str(boot))
    assert os.readlink(f"{place.folder}/assets") == str(tmp_path / "assets")
    for name in ("web.sock", "realtime.sock"):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(place.bridge(name))
            server.listen()
            assert live.listening(place.socket(name))
    assert os.stat(place.folder).st_mode & 0o777 == 0o755


def test_preparing_again_changes_the_assets_and_nothing_else(tmp_path: pathlib.Path, boot: pathlib.Path) -> None:
    release(tmp_path).prepare(str(boot))
    again = Runtime("bench#1", ME, "/new/assets", root=str(tmp_path / "run"))
    again.prepare(str(boot))
    assert os.readlink(f"{again.folder}/assets") == "/new/assets"
    assert sorted(os.listdir(again.folder)) == ["assets", "realtime.sock", "release"]


def test_two_names_never_share_a_folder(
    tmp_path: pathlib.Path, boot: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "short_id", lambda _text: "00000000")
    release(tmp_path, "one").prepare(str(boot))
    with pytest.raises(LockstepError, match="belongs to another release"):
        release(tmp_path, "two").prepare(str(boot))


def test_everything_is_written_down_for_the_next_boot(tmp_path: pathlib.Path, boot: pathlib.Path) -> None:
    place = release(tmp_path, "100%#1")
    place.prepare(str(boot))
    text = (boot / f"lockstep-{live.short_id('100%#1')}.conf").read_text()
    assert f"d {place.folder} 0755 {ME} - -\n" in text
    assert f"L {place.folder}/realtime.sock - - - - ../nginx/{live.short_id('100%#1')}.realtime.sock\n" in text
    assert "- 100%%#1\n" in text
    assert f"d {tmp_path}/run/nginx 0755" in (boot / "lockstep.conf").read_text()


def test_without_systemd_tmpfiles_it_says_that_the_folder_will_be_gone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert not release(tmp_path).prepare(str(tmp_path))
    assert not list(tmp_path.glob("*.conf"))


@pytest.mark.skipif(not os.path.exists("/usr/bin/systemd-tmpfiles"), reason="there is no systemd-tmpfiles")
@pytest.mark.skipif(os.geteuid() != 0, reason="systemd-tmpfiles gives folders to their owners as root")
def test_systemd_makes_the_same_folder_again(tmp_path: pathlib.Path) -> None:
    (tmp_path / "tmpfiles.d").mkdir()
    place = release(tmp_path)
    place.prepare(str(tmp_path / "tmpfiles.d"))
    before = sorted((entry.name, entry.is_symlink() and os.readlink(entry)) for entry in os.scandir(place.folder))
    subprocess.run(["rm", "-r", str(tmp_path / "run")], check=True)
    for file in sorted((tmp_path / "tmpfiles.d").iterdir()):
        subprocess.run(["systemd-tmpfiles", "--create", str(file)], check=True, capture_output=True)
    after = sorted((entry.name, entry.is_symlink() and os.readlink(entry)) for entry in os.scandir(place.folder))
    assert after == before
    assert pathlib.Path(place.folder, "release").read_text().strip() == "bench#1"


def test_a_release_that_is_served_keeps_its_folder(tmp_path: pathlib.Path, boot: pathlib.Path) -> None:
    place = release(tmp_path)
    place.prepare(str(boot))
    site = live.SiteTraffic("site1.local", str(tmp_path / "traffic"))
    site.prepare()
    links.switch(site.live, place.folder)
    with pytest.raises(LockstepError, match=r"site1.local is served by bench#1"):
        place.remove([site], str(boot))
    links.switch(site.live, "/elsewhere")
    links.switch(site.previous, place.folder)
    assert place.remove([site], str(boot))
    assert not os.path.exists(place.folder)
    assert links.current(site.previous) is None
    assert [file.name for file in boot.iterdir()] == ["lockstep.conf"]
    assert not place.remove([site], str(boot))


def test_only_sockets_nobody_listens_on_are_cleared(tmp_path: pathlib.Path, boot: pathlib.Path) -> None:
    root = str(tmp_path / "run")
    assert runtime.clear_stale_sockets(root) == []
    runtime.prepare_nginx_folder(root, str(boot))
    folder = pathlib.Path(runtime.nginx_folder(root))
    (folder / "note").write_text("kept")
    with socket.socket(socket.AF_UNIX) as stale, socket.socket(socket.AF_UNIX) as served:
        stale.bind(str(folder / "stale.sock"))
        served.bind(str(folder / "served.sock"))
        served.listen()
        assert runtime.clear_stale_sockets(root) == [str(folder / "stale.sock")]
    assert sorted(os.listdir(folder)) == ["note", "served.sock"]


@pytest.mark.parametrize("name", ["a b", "a\nb", 'a"b'])
def test_a_name_that_means_something_to_systemd_is_refused(
    tmp_path: pathlib.Path, boot: pathlib.Path, name: str
) -> None:
    with pytest.raises(LockstepError, match="can't be used"):
        release(tmp_path, name).prepare(str(boot))


def test_systemd_clears_the_sockets_of_a_killed_nginx_before_it_starts_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    booted = ["/run/systemd/system"]
    isdir = os.path.isdir
    monkeypatch.setattr(os.path, "isdir", lambda path: isdir(path) or path in booted)
    monkeypatch.setattr(process, "run", lambda argv, **_options: asked.append(argv))
    path = tmp_path / "nginx.service.d" / "lockstep.conf"
    assert runtime.install_drop_in(str(path), root="/run/100%")
    assert "\nExecStartPre=-/usr/bin/find /run/100%%/nginx -type s -delete\n" in path.read_text()
    assert asked == [["systemctl", "daemon-reload"]]
    assert not runtime.install_drop_in(str(path), root="/run/100%")
    booted.clear()
    path.unlink()
    assert runtime.install_drop_in(str(path), root="/run/100%") is isdir("/run/systemd/system")
