# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups: names, modes, secrets, failures."""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import re
import stat

from tests.contract.subject import SITE, Subject


def _folder(subject: Subject) -> pathlib.Path:
    return subject.bench.site_file(SITE, "private", "backups")


def test_default_files_are_readable_by_all_and_hold_the_secrets(subject: Subject) -> None:
    subject.bench.site(SITE, "backup")
    found = sorted(_folder(subject).iterdir())
    names = [one.name for one in found]
    assert any(re.fullmatch(r"\d{8}_\d{6}-one_test-database\.sql\.gz", name) for name in names)
    config = next(one for one in found if re.fullmatch(r"\d{8}_\d{6}-one_test-site_config_backup\.json", one.name))
    assert stat.S_IMODE(config.stat().st_mode) == 0o644
    assert json.loads(config.read_text())["db_password"] == subject.bench.site_config(SITE)["db_password"]


def test_files_go_where_they_are_told(subject: Subject) -> None:
    target = subject.bench.path / "logs" / "told"
    paths = {
        "--backup-path-db": target / "db.sql.gz",
        "--backup-path-files": target / "public.tar",
        "--backup-path-private-files": target / "private.tar",
        "--backup-path-conf": target / "config.json",
    }
    arguments = [text for option, path in paths.items() for text in (option, str(path))]
    done = subject.bench.site(SITE, "backup", "--with-files", *arguments)
    assert all(path.stat().st_size for path in paths.values())
    assert f"Backup for Site {SITE} has been successfully completed with files" in done.stdout


def test_a_dump_begins_with_the_version_and_holds_the_sequences(subject: Subject) -> None:
    path = subject.bench.path / "logs" / "dump.sql.gz"
    subject.bench.site(SITE, "backup", "--backup-path-db", str(path))
    text = gzip.decompress(path.read_bytes()).decode()
    assert text.startswith("-- begin frappe metadata\n-- [frappe]\n-- version = ")
    assert "`tabContract Terms of Use`" in text
    assert re.search(r"CREATE SEQUENCE .*contract_write_id_seq", text)


def test_a_wrong_password_is_return_code_1(configuring: Subject) -> None:
    configuring.set_config(db_password="wrong")
    done = configuring.bench.site(SITE, "backup", check=False)
    assert done.returncode == 1
    assert f"Backup failed for Site {SITE}" in done.stdout


def test_a_path_that_can_not_be_written_is_return_code_1(subject: Subject) -> None:
    done = subject.bench.site(SITE, "backup", "--backup-path-db", "/proc/no/db.sql.gz", check=False)
    assert done.returncode == 1


def test_age_is_when_a_file_was_put_there_not_when_it_was_written(subject: Subject) -> None:
    old = _folder(subject) / "20200101_000000-one_test-database.sql.gz"
    old.write_bytes(b"precious")
    subject.flavour.give(old)
    os.utime(old, (0, 0))
    subject.bench.site(SITE, "backup")
    assert old.exists()


def test_a_folder_among_the_backups_makes_every_backup_fail(subject: Subject) -> None:
    folder = _folder(subject) / "kept"
    folder.mkdir()
    try:
        assert subject.bench.site(SITE, "backup", check=False).returncode == 1
    finally:
        folder.rmdir()
