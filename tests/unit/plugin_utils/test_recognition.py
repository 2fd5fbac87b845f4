# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files the inventory plugin takes, and which it leaves to others."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils.recognition import recognise

OURS = "apps:\n  - {name: frappe, source: ./x}\nsites: [a]\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.yml", OURS),
        ("x.yaml", "---\n# a comment\n" + OURS),
        ("x.json", '{"apps": [], "sites": []}'),
        ("x.yml", '{"apps": [], "sites": []}'),
        ("x.yml", "sites: [a]\n'apps' : []\n"),
        ("anything", "plugin: lockstep.deploy.deployment\n"),
        ("x.yml", "plugin: 'lockstep.deploy.deployment'  # ours\n" + OURS),
        ("x.json", '{"plugin": "lockstep.deploy.deployment", "apps": [], "sites": []}'),
        ("deployment.yml", "apps: []\n"),
        ("shop.deployment.yml", "sites: []\n"),
        ("deployment-staging.json", '{"apps": []}'),
        ("deployment.yml", "$ANSIBLE_VAULT;1.1;AES256\n61"),
        ("x.yml", "apps: [\nsites: ["),
        ("x.yml", OURS + "servers:\n  web1:\n    plugin: other\n"),
    ],
)
def test_deployment_files_are_taken(name: str, text: str) -> None:
    assert recognise(text, name).ours


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hosts.yml", "all:\n  hosts:\n    a:\n"),
        ("hosts.yml", "apps:\n  hosts:\n    a:\nsites:\n  hosts:\n    b:\n"),
        ("hosts.yml", "apps:\n  children: {x: }\nsites: {}\n"),
        ("deployment.yml", "apps:\n  hosts:\n    a:\n"),
        ("deployment.yml", "apiVersion: apps/v1\nkind: Deployment\n"),
        ("deployment.yml", "all:\n  vars:\n    sites: [a]\n    apps: [b]\n"),
        ("x.yml", "plugin: amazon.aws.aws_ec2\napps: []\nsites: []\n"),
        ("x.yml", "sites: []\n"),
        ("hosts", "[apps]\na\n[sites]\nb\n"),
        ("x.ini", OURS),
        ("secrets.yml", "$ANSIBLE_VAULT;1.1;AES256\n61"),
        ("x.json", '{"all": {"hosts": {"a": {"apps": [], "sites": []}}}}'),
        ("x.json", '["apps", "sites"]'),
        ("x.json", '{"plugin": "other.one", "apps": [], "sites": []}'),
        ("x.yml", ""),
    ],
)
def test_other_files_are_left_alone(name: str, text: str) -> None:
    assert not recognise(text, name).ours


def test_what_was_read_to_know_need_not_be_read_again() -> None:
    found = recognise(OURS, "x.yml")
    assert found.document is not None
    assert found.document[0]["sites"] == ["a"]
