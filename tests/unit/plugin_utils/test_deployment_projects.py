# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The projects of a deployment file: what is accepted as S2 has it, and what each error says."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import deployment, options
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment import Deployment
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import DeploymentError

# As the source document of the multi-tenant platform has it.
SAMPLE: dict[str, t.Any] = {
    "filter-ical": {
        "domains": {"production": "filter-ical.de", "staging": "staging.filter-ical.de"},
        "containers": {
            "backend": {
                "name": "filter-ical-backend",
                "port": 3000,
                "api_locations": ["/api", "/domains", "/calendars", "/admin"],
            },
            "frontend": {"name": "filter-ical-frontend", "port": 80},
        },
    }
}


def load(projects: t.Any, **more: t.Any) -> Deployment:
    apps = [{"name": "frappe", "source": "https://github.com/frappe/frappe"}]
    return deployment.load({"apps": apps, "sites": ["site1.local"], "projects": projects, **more}, options.read({}))


def changed(*path: t.Any, value: t.Any) -> dict[str, t.Any]:
    """The sample with one value replaced; a key is added if it isn't there."""
    found = copy.deepcopy(SAMPLE)
    inner = found["filter-ical"]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return found


def errors(projects: t.Any, **more: t.Any) -> list[str]:
    with pytest.raises(DeploymentError) as caught:
        load(projects, **more)
    return caught.value.lines


def test_the_sample_is_accepted_as_written() -> None:
    found = load(SAMPLE)
    assert found.projects == [
        {
            "name": "filter-ical",
            "server": "localhost",
            "domains": ["filter-ical.de"],
            "tls": None,
            "listen": [],
            "body_size": "50m",
            "timeout": 60,
            "containers": [
                {
                    "key": "backend",
                    "name": "filter-ical-backend",
                    "port": 3000,
                    "published": None,
                    "api_locations": ["/api", "/domains", "/calendars", "/admin"],
                },
                {
                    "key": "frontend",
                    "name": "filter-ical-frontend",
                    "port": 80,
                    "published": None,
                    "api_locations": [],
                },
            ],
        }
    ]
    assert found.as_variable()["projects"] == found.projects
    assert load(SAMPLE, environment="staging").projects[0]["domains"] == ["staging.filter-ical.de"]


def test_a_project_without_a_domain_in_this_environment_is_left_out_and_told() -> None:
    found = load(SAMPLE, environment="development")
    assert found.projects == []
    told = "projects.filter-ical has no domain in development (but in production, staging), so nginx does not serve it"
    assert told in found.warnings


BENCHES = {"servers": {"web1": None, "web2": None}, "sites": [{"name": "site1.local", "server": "web1"}]}


def test_a_project_goes_to_the_server_it_names() -> None:
    sites = [{"name": "site1.local", "server": "web1"}, {"name": "site2.local", "server": "web2"}]
    found = load(changed("server", value="web2"), servers=BENCHES["servers"], sites=sites)
    assert found.projects[0]["server"] == "web2"
    assert any(
        "names no server, and there are several; expected one of web1, web2" in line
        for line in errors(SAMPLE, servers=BENCHES["servers"], sites=sites)
    )


def test_a_server_whose_nginx_is_not_ours_is_refused() -> None:
    assert load(SAMPLE, **BENCHES).projects[0]["server"] == "web1"
    (line,) = errors(changed("server", value="web2"), **BENCHES)
    assert 'found "web2", which has no bench' in line


BACKEND = ("containers", "backend")


@pytest.mark.parametrize(
    ("projects", "message"),
    [
        ([], "projects: found"),
        (changed("domains", value={}), "projects.filter-ical.domains"),
        (changed("domains", value={"live": "a.de"}), "projects.filter-ical.domains"),
        (changed("domains", "production", value="a b.de"), "expected a domain name"),
        (
            changed("domains", "production", value="site1.local"),
            'found the domain "site1.local", which "site1.local" has',
        ),
        (changed("containers", value={}), "projects.filter-ical.containers"),
        (changed("containers", "backend", value={"port": 1}), "projects.filter-ical.containers.backend: has no name"),
        (changed(*BACKEND, "port", value=0), "projects.filter-ical.containers.backend.port"),
        (changed(*BACKEND, "ports", value=1), "unknown key"),
        (changed(*BACKEND, "api_locations", value=["api"]), "expected a path such as /api"),
        (changed(*BACKEND, "api_locations", value=["/a/../b"]), "expected a path such as /api"),
        (changed(*BACKEND, "api_locations", value=["/a;b"]), "expected a path such as /api"),
        (changed(*BACKEND, "api_locations", value=["/api", "/api/"]), 'found "/api/" twice (first in backend)'),
        (changed(*BACKEND, "api_locations", value=[]), "found no api_locations in backend and frontend"),
        (changed("containers", "other", value={"name": "o", "api_locations": ["/api"]}), 'found "/api" twice'),
        (changed("server", value="nowhere"), 'found "nowhere", which has no bench'),
        (changed("tls", value={"certificate": "/a.pem"}), "has no key"),
        (changed("body_size", value="much"), "expected a size as nginx writes it"),
        (changed("domains", "production", value=None), "projects.filter-ical.domains.production"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(projects: t.Any, message: str) -> None:
    (line,) = errors(projects)
    assert message in line


def test_what_may_be_there_once_is_refused_twice() -> None:
    both = changed("containers", "backend", "published", value=8000)
    both["other"] = copy.deepcopy(both["filter-ical"])
    found = errors(both)
    assert any('found the domain "filter-ical.de", which "filter-ical" has too' in line for line in found)
    assert any("found port 8000 twice on localhost (first at projects.filter-ical.containers" in line for line in found)


def test_a_project_is_not_called_as_a_site_whose_requests_its_own_would_be_taken_for() -> None:
    [error] = errors({"site1.local": SAMPLE["filter-ical"]})
    assert "projects['site1.local']: is called as a site is; expected another name" in error
