# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody changed in our file by hand is recognised, told, and never overwritten without a word."""

from __future__ import annotations

import hashlib
import pathlib
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import atomic
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import config, drift
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.server import Wanted
from tests.integration.nginx.scene import Scene

pytestmark = pytest.mark.integration

Change = t.Callable[[str], str | None]


@pytest.fixture
def file(scene: Scene) -> pathlib.Path:
    """Our file; site1.local is served from it."""
    scene.apply(scene.site("site1.local"))
    return scene.conf_dir / config.FILE


def look(scene: Scene, *names: str) -> drift.Drift:
    rendered = scene.rendered(*(scene.site(name) for name in names))
    (found,) = scene.nginx.look(Wanted({config.FILE: rendered.text}, rendered.generation))
    return found


def changed_by_hand(file: pathlib.Path) -> str:
    """The file as somebody left it who gave uploads more room."""
    text = file.read_text().replace("client_max_body_size 50m;", "client_max_body_size 99m;")
    file.write_text(text)
    return text


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda text: text, drift.NONE),
        (lambda text: text.replace("50m", "99m"), drift.EDITED),
        (lambda text: text + "# see ticket 12\n", drift.EDITED),
        (lambda text: "# see ticket 12\n" + text, drift.EDITED),
        (lambda text: text.replace("# lockstep-checksum", "# checksum"), drift.EDITED),
        (lambda text: "server { listen unix:/x; }\n", drift.FOREIGN),
        (lambda text: None, drift.MISSING),
    ],
)
def test_each_way_in_which_a_file_can_differ_has_its_name(
    scene: Scene, file: pathlib.Path, change: Change, kind: str
) -> None:
    text = change(file.read_text())
    file.unlink() if text is None else file.write_text(text)
    found = look(scene, "site1.local")
    assert found.kind == kind
    assert found.by_hand == (kind in (drift.EDITED, drift.FOREIGN))
    assert bool(found.sentence()) == (kind != drift.NONE)


def test_records_that_went_ahead_are_no_change_by_hand(scene: Scene, file: pathlib.Path) -> None:
    found = look(scene, "site1.local", "site2.local")
    assert (found.kind, found.by_hand) == (drift.OUTDATED, False)


def test_a_generation_that_is_not_served_is_told(scene: Scene, file: pathlib.Path) -> None:
    rendered = scene.rendered(scene.site("site2.local"))
    atomic.write_text(str(file), rendered.text, mode=0o644)
    found = look(scene, "site2.local")
    assert found.kind == drift.NOT_SERVED
    assert f"serves generation {scene.nginx.serving()}, not {rendered.generation}" in found.sentence()
    assert scene.apply(scene.site("site2.local")).changed
    assert look(scene, "site2.local").kind == drift.NONE


def test_a_change_by_hand_is_left_as_it_is_and_the_error_shows_it(scene: Scene, file: pathlib.Path) -> None:
    serving, text = scene.nginx.serving(), changed_by_hand(file)
    with pytest.raises(LockstepError, match=r"00-lockstep\.conf was changed by hand: 2 lines differ") as caught:
        scene.apply(scene.site("site1.local"))
    assert caught.value.left == "it was left as it is"
    assert "-    client_max_body_size 99m;" in (caught.value.detail or ())
    assert "force=true" in str(caught.value.hint)
    assert (file.read_text(), scene.nginx.serving()) == (text, serving)


def test_by_force_it_is_overwritten_and_a_copy_is_kept(scene: Scene, file: pathlib.Path) -> None:
    text = changed_by_hand(file)
    applied = scene.apply(scene.site("site1.local"), overwrite=True)
    assert look(scene, "site1.local").kind == drift.NONE
    (copy,) = (pathlib.Path(path) for path in applied.overwritten)
    assert copy.read_text() == text
    assert copy.stat().st_mode & 0o777 == 0o600
    assert not scene.apply(scene.site("site1.local"), overwrite=True).changed


def test_by_force_what_nginx_does_not_take_leaves_the_change_by_hand(scene: Scene, file: pathlib.Path) -> None:
    text = changed_by_hand(file)
    with pytest.raises(LockstepError, match="nonsense"):
        scene.nginx.apply({config.FILE: "nonsense on;"}, "x", overwrite=True)
    assert file.read_text() == text


def test_only_the_last_copies_are_kept(scene: Scene, file: pathlib.Path) -> None:
    for number in range(12):
        file.write_text(f"# the work of somebody, {number}\n")
        scene.apply(scene.site("site1.local"), overwrite=True)
    kept = sorted((scene.folder / "state" / "overwritten").iterdir())
    assert [path.read_text()[-3:-1].strip() for path in kept] == [str(number) for number in range(2, 12)]


def test_what_an_interrupted_change_left_is_not_put_back_over_a_change_by_hand(
    scene: Scene, file: pathlib.Path
) -> None:
    pending = {"files": {config.FILE: file.read_text()}, "generation": scene.nginx.serving()}
    atomic.write_json(str(scene.folder / "state" / "pending.json"), pending)
    text = changed_by_hand(file)
    for act in (scene.nginx.recover, lambda: scene.apply(scene.site("site1.local"))):
        with pytest.raises(LockstepError, match="was changed by hand"):
            act()
        assert file.read_text() == text
    assert scene.apply(scene.site("site1.local"), overwrite=True).changed
    assert not scene.nginx.recover()


def test_a_file_of_a_version_without_a_checksum_is_ours_until_somebody_changes_it(
    scene: Scene, file: pathlib.Path
) -> None:
    """Its generation is a hash of the rest, head included."""
    head = "# Written by lockstep.deploy, which overwrites changes made here.\n"
    body = 'map $server_name $lockstep_generation {\n    default "@generation@";\n}\n'
    generation = hashlib.sha256((head + body).encode()).hexdigest()[:16]
    old = (head + body).replace("@generation@", generation)
    file.write_text(old + "# by hand\n")
    assert look(scene, "site1.local").kind == drift.EDITED
    file.write_text(old)
    assert look(scene, "site1.local").kind == drift.OUTDATED
    assert scene.apply(scene.site("site1.local")).overwritten == ()
