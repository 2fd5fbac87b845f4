# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources: which commit a version means, and that commit in a cache, ready for servers without a network."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tarfile
import time

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import urls
from ansible_collections.lockstep.deploy.plugins.plugin_utils.declarations import read_declaration
from ansible_collections.lockstep.deploy.plugins.plugin_utils.sources import Resolved, SourceError, Sources
from ansible_collections.lockstep.deploy.plugins.plugin_utils.urls import Address
from tests.integration.plan.repositories import AppRepository, git, served

CLONE = pathlib.Path(__file__).parents[3]


@pytest.fixture
def app(tmp_path: pathlib.Path) -> AppRepository:
    """An app with tags v1.0.0, v1.10.0, v1.9.0, v2.0.0-beta.1 and a branch version-1."""
    repository = AppRepository(tmp_path / "apps" / "shop")
    repository.commit("1.0.0", tag="v1.0.0")
    repository.commit("1.10.0", tag="v1.10.0", annotated=False)
    git(repository.path, "branch", "version-1")
    repository.commit("1.9.0", tag="v1.9.0")
    repository.commit("2.0.0-beta.1", tag="v2.0.0-beta.1")
    repository.commit("2.0.0-dev")
    return repository


@pytest.fixture
def sources(tmp_path: pathlib.Path) -> Sources:
    return Sources(str(tmp_path / "cache"), timeout=60)


def local(app: AppRepository) -> Address:
    return urls.parse(str(app.path), "/")


def commit_of(app: AppRepository, ref: str) -> str:
    return git(app.path, "rev-parse", f"{ref}^{{commit}}")


@pytest.mark.parametrize(
    ("version", "ref"),
    [
        ("v1.0.0", "v1.0.0"),
        ("1.0.0", "v1.0.0"),
        ("v1.10.0", "v1.10.0"),
        ("version-1", "version-1"),
        ("develop", "develop"),
        (None, "v1.10.0"),
        ("latest", "v1.10.0"),
        ("version-1-latest", "version-1"),
        ("develop-latest", "develop"),
    ],
)
def test_a_version_means_a_commit(app: AppRepository, sources: Sources, version: str | None, ref: str) -> None:
    found = sources.resolve(local(app), version)
    assert (found.ref, found.commit) == (ref, commit_of(app, ref))
    assert bool(found.note) == (version is None or version.endswith("latest"))


def test_a_commit_is_taken_as_it_is_and_must_exist(app: AppRepository, sources: Sources) -> None:
    commit = commit_of(app, "v1.9.0")
    assert sources.obtain(local(app), sources.resolve(local(app), commit)).endswith(f"{commit}.git")
    with pytest.raises(SourceError, match="expected a commit that the repository hands out") as raised:
        sources.obtain(local(app), sources.resolve(local(app), "1" * 40))
    assert raised.value.field == "version"


def test_without_tags_the_tip_of_the_default_branch_is_the_newest(tmp_path: pathlib.Path, sources: Sources) -> None:
    app = AppRepository(tmp_path / "plain", branch="trunk")
    first = app.commit("1.0.0")
    git(app.path, "branch", "main")
    tip = app.commit("1.1.0")
    found = sources.resolve(local(app), None)
    assert (found.ref, found.commit) == ("trunk", tip)
    assert sources.resolve(local(app), "main").commit == first


def test_a_pre_release_is_the_newest_only_where_there_is_nothing_else(tmp_path: pathlib.Path, sources: Sources) -> None:
    app = AppRepository(tmp_path / "early")
    app.commit("1.0.0", tag="v1.0.0-beta.1")
    app.commit("1.0.0", tag="v1.0.0-beta.10")
    app.commit("1.0.0", tag="nightly")
    assert sources.resolve(local(app), "latest").ref == "v1.0.0-beta.10"


def test_a_tag_goes_before_a_branch_of_its_name_and_says_so(app: AppRepository, sources: Sources) -> None:
    git(app.path, "branch", "v1.0.0", "develop")
    found = sources.resolve(local(app), "v1.0.0")
    assert (found.full_ref, found.note) == ("refs/tags/v1.0.0", "v1.0.0 is a tag and a branch; the tag is taken")


def test_a_missing_ref_is_told_with_what_is_near(app: AppRepository, sources: Sources) -> None:
    with pytest.raises(SourceError) as raised:
        sources.resolve(local(app), "v1.10.1")
    assert raised.value.field == "version"
    assert 'found "v1.10.1" (did you mean v1.10.0' in raised.value.message


@pytest.mark.parametrize("kind", ["bare", "file", "working tree", "http"])
def test_every_kind_of_address_is_read(app: AppRepository, sources: Sources, tmp_path: pathlib.Path, kind: str) -> None:
    bare = app.bare(tmp_path / "served" / "shop.git")
    with served(bare.parent) as server:
        by_kind = {"bare": str(bare), "file": f"file://{bare}", "http": f"{server.url}/shop.git"}
        address = urls.parse(by_kind.get(kind, str(app.path)), "/")
        resolved = sources.resolve(address, "v1.9.0")
        repository = sources.obtain(address, resolved)
    assert resolved.commit == commit_of(app, "v1.9.0")
    assert read_declaration(repository, "shop").version == "1.9.0"


@pytest.mark.parametrize("version", ["v1.0.0", "version-1"])
def test_a_server_that_refuses_commits_by_id_is_asked_for_the_ref(
    app: AppRepository, sources: Sources, tmp_path: pathlib.Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[protocol]\n\tversion = 0\n", encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    git(app.path, "commit", "--quiet", "--allow-empty", "--message", "later")
    bare = app.bare(tmp_path / "served" / "shop.git")
    with served(bare.parent) as server:
        address = urls.parse(f"{server.url}/shop.git", "/")
        repository = sources.obtain(address, sources.resolve(address, version))
    assert git(pathlib.Path(repository), "rev-parse", "lockstep^{commit}") == commit_of(app, version)


def test_credentials_reach_the_server_and_nobody_else(
    app: AppRepository, sources: Sources, tmp_path: pathlib.Path
) -> None:
    bare = app.bare(tmp_path / "served" / "shop.git")
    with served(bare.parent, "deploy", "s3cr3t%word") as server:
        address = urls.parse(f"{server.url.replace('://', '://deploy:s3cr3t%25word@')}/shop.git", "/")
        repository = sources.obtain(address, sources.resolve(address, "v1.9.0"))
        wrong = urls.parse(f"{server.url.replace('://', '://deploy:wr0ng@')}/shop.git", "/")
        with pytest.raises(SourceError) as raised:
            Sources(str(tmp_path / "other")).resolve(wrong, "v1.9.0")
        without = urls.parse(f"{server.url}/shop.git", "/")
        with pytest.raises(SourceError, match=r"which can't be read: .*terminal prompts disabled"):
            Sources(str(tmp_path / "other")).resolve(without, "v1.9.0")
        seen = [command for command in server.seen_commands if "git" in command]
    assert "wr0ng" not in str(raised.value)
    assert seen
    assert not [command for command in seen if "s3cr3t" in command or "wr0ng" in command]
    config = (pathlib.Path(repository) / "config").read_text(encoding="utf-8")
    assert "s3cr3t" not in config


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{tmp}/nowhere", "where there is no folder; expected a git repository"),
        ("{tmp}/empty", "a repository without branches and tags"),
        ("{tmp}/no", "which can't be read"),
        ("file://{tmp}/nowhere", "which can't be read"),
        ("http://127.0.0.1:9/x", "which can't be read"),
    ],
)
def test_what_can_not_be_read_is_one_clear_error(
    tmp_path: pathlib.Path, sources: Sources, source: str, expected: str
) -> None:
    (tmp_path / "no").mkdir()
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--quiet")
    with pytest.raises(SourceError) as raised:
        sources.resolve(urls.parse(source.format(tmp=tmp_path), "/"), None)
    assert expected in raised.value.message
    assert raised.value.field == "source"
    assert "\n" not in raised.value.message


def test_a_transport_helper_is_never_run(tmp_path: pathlib.Path, sources: Sources) -> None:
    mark = tmp_path / "ran"
    with pytest.raises(SourceError):
        sources.resolve(Address(f"ext::sh -c touch% {mark}", local=False), None)
    with pytest.raises(SourceError):
        sources.resolve(Address(f"--upload-pack=touch {mark}", local=False), None)
    assert not mark.exists()


def test_an_exported_commit_is_cloned_without_any_network(
    app: AppRepository, sources: Sources, tmp_path: pathlib.Path
) -> None:
    resolved = sources.resolve(local(app), "v1.9.0")
    sources.obtain(local(app), resolved)
    archive = sources.export(resolved.commit)
    target = tmp_path / "server" / "shop"
    with tarfile.open(archive) as tar:
        assert {"HEAD", "config", "objects", "refs", "shallow"} <= set(tar.getnames())
        tar.extractall(target)
    git(tmp_path, "clone", "--quiet", "--branch", "lockstep", str(target), "clone")
    assert git(tmp_path / "clone", "rev-parse", "HEAD") == resolved.commit
    assert git(tmp_path / "clone", "log", "--format=%s").splitlines() == ["1.9.0"]
    before = pathlib.Path(archive).read_bytes()
    os.unlink(archive)
    assert pathlib.Path(sources.export(resolved.commit)).read_bytes() == before


def test_a_commit_that_was_not_brought_can_not_be_exported(sources: Sources) -> None:
    with pytest.raises(LockstepError, match="is not in the cache"):
        sources.export("2" * 40)


def test_what_is_in_the_cache_is_not_fetched_again(app: AppRepository, sources: Sources) -> None:
    resolved = sources.resolve(local(app), "v1.9.0")
    repository = sources.obtain(local(app), resolved)
    app.path.rename(app.path.with_name("gone"))
    assert sources.obtain(local(app), resolved) == repository


def test_a_damaged_cache_is_mended(app: AppRepository, sources: Sources) -> None:
    resolved = sources.resolve(local(app), "v1.9.0")
    repository = pathlib.Path(sources.obtain(local(app), resolved))
    for pack in repository.glob("objects/pack/*"):
        pack.chmod(0o600)
        pack.write_bytes(b"")
    assert sources.obtain(local(app), resolved) == str(repository)
    assert read_declaration(str(repository), "shop").version == "1.9.0"


def test_leftovers_of_killed_controllers_are_removed_after_a_day(app: AppRepository, sources: Sources) -> None:
    old, new = pathlib.Path(sources.cache) / ".new-old", pathlib.Path(sources.cache) / ".new-recent"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 90_000,) * 2)
    sources.obtain(local(app), sources.resolve(local(app), "v1.9.0"))
    assert (old.exists(), new.exists()) == (False, True)


def test_many_controllers_may_fill_one_cache_at_once(app: AppRepository, tmp_path: pathlib.Path) -> None:
    commit = commit_of(app, "v1.9.0")
    program = (
        "import sys; sys.path.insert(0, '.'); import tests.conftest\n"
        "from ansible_collections.lockstep.deploy.plugins.plugin_utils import sources, urls\n"
        "found = sources.Sources(sys.argv[1]); address = urls.parse(sys.argv[2], '/')\n"
        "found.obtain(address, found.resolve(address, 'v1.9.0')); print(found.export(sys.argv[3]))\n"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "cache"), str(app.path), commit]
    running = [subprocess.Popen(argv, cwd=CLONE, stdout=subprocess.PIPE, text=True) for _controller in range(4)]
    archives = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0, 0, 0]
    assert len(archives) == 1
    with tarfile.open(archives.pop()) as tar:
        assert "HEAD" in tar.getnames()
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [f"{commit}.git", f"{commit}.tar"]


def test_a_cache_that_can_not_be_written_is_one_clear_error(app: AppRepository, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    found = Sources(str(tmp_path / "file" / "cache"))
    with pytest.raises(LockstepError, match=r"the cache .*/file/cache can't be written: Not a directory"):
        found.obtain(local(app), Resolved("v1.9.0", commit_of(app, "v1.9.0"), "refs/tags/v1.9.0"))
