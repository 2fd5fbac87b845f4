# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Projects of containers behind a real nginx: which container answers where, and how it is switched."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import config, gate
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.live import SiteTraffic
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.model import Traffic
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.projects import Place, ProjectRecords
from tests.integration.nginx.scene import Release, Scene
from tests.integration.nginx.test_server import echo, tcp_server, upgrade, workers

pytestmark = pytest.mark.integration

HOST = "shop.example.com"
Record = dict[str, t.Any]


def project(scene: Scene, published: int | None = None, **more: t.Any) -> Record:
    """The project as a deployment file's one form has it."""
    backend = {"key": "backend", "name": "shop-backend", "port": 3000, "published": published}
    frontend = {"key": "frontend", "name": "shop-frontend", "port": 80, "published": None, "api_locations": []}
    return {
        "name": "shop",
        "id": "shop.production/shop",
        "domains": [HOST],
        "tls": None,
        "listen": [f"127.0.0.1:{scene.port}"],
        "body_size": "1m",
        "timeout": 5,
        "containers": [{**backend, "api_locations": ["/api", "/admin"]}, frontend],
        **more,
    }


def place(scene: Scene) -> Place:
    return Place(str(scene.folder / "traffic"), str(scene.run))


def apply(scene: Scene, *records: Record) -> bool:
    found = place(scene)
    for record in records:
        found.prepare(record, "")
    traffic = Traffic(
        (),
        tuple(bridge for record in records for bridge in found.bridges(record)),
        str(scene.run / "nginx" / "generation.sock"),
        str(scene.access_log),
        projects=tuple(found.project(record) for record in records),
    )
    rendered = config.render(traffic)
    return scene.nginx.apply({config.FILE: rendered.text}, rendered.generation).changed


def links(scene: Scene, key: str) -> SiteTraffic:
    return SiteTraffic(f"shop.production/shop/{key}", str(scene.folder / "traffic"))


class Shop(t.NamedTuple):
    """Both containers of the project."""

    backend: Release
    frontend: Release


@pytest.fixture
def shop(scene: Scene) -> Shop:
    """The project, with a container of each kind live."""
    found = Shop(scene.release("backend").start(), scene.release("frontend").start())
    apply(scene, project(scene))
    for key in ("backend", "frontend"):
        links(scene, key).switch(getattr(found, key).folder)
    return found


def answered(scene: Scene, path: str) -> str:
    return str(scene.get(path, host=HOST).headers.get("x-lockstep-release"))


@pytest.mark.parametrize(
    ("path", "container"),
    [
        ("/", "frontend"),
        ("/index.html", "frontend"),
        ("/api", "backend"),
        ("/api/", "backend"),
        ("/api/x/y?z=1", "backend"),
        ("/admin/users", "backend"),
        ("/apidocs", "frontend"),
        ("/x/api/y", "frontend"),
    ],
)
def test_locations_of_the_api_go_to_the_backend_and_the_rest_to_the_frontend(
    scene: Scene, shop: Shop, path: str, container: str
) -> None:
    assert answered(scene, path) == container


def test_a_container_is_told_who_asked(scene: Scene, shop: Shop) -> None:
    answer = json.loads(scene.get("/api/x", host=HOST).body)
    assert answer["path"] == "/api/x"
    assert answer["headers"]["Host"] == HOST
    assert answer["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert scene.get("/api", host=HOST, method="POST", body=b"x" * 1_100_000).status == 413
    (line,) = [json.loads(line) for line in scene.access_log.read_text().splitlines() if '"/api/x"' in line]
    assert (line["site"], line["release"]) == ("shop", "backend")


def test_a_container_is_switched_by_one_rename(scene: Scene, shop: Shop) -> None:
    before = workers(scene)
    links(scene, "backend").switch(scene.release("next").start().folder)
    assert (answered(scene, "/api"), answered(scene, "/")) == ("next", "frontend")
    assert workers(scene) == before
    assert not apply(scene, project(scene)), "what moved stays where it is"
    assert answered(scene, "/api") == "next"


def test_a_container_on_a_port_is_behind_a_bridge_until_its_traffic_is_moved(scene: Scene) -> None:
    with tcp_server(echo([])) as port:
        apply(scene, project(scene, published=port))
        assert scene.get("/api", host=HOST).text == "poll"
        with upgrade(scene.port, HOST, "/api/socket") as client:
            client.sendall(b"one")
            assert client.recv(4096) == b"one"
        assert scene.get("/", host=HOST).status == 502, "nobody deployed the other one yet"
        release = scene.release("next").start()
        links(scene, "backend").switch(release.folder)
        assert answered(scene, "/api") == "next"
        apply(scene, project(scene, published=port))
        assert answered(scene, "/api") == "next"


def test_a_project_is_closed_as_a_site_is(scene: Scene, shop: Shop) -> None:
    closed = SiteTraffic("shop.production/shop", str(scene.folder / "traffic")).gate
    closed.close(gate.STOPPED)
    assert {scene.get(path, host=HOST).headers["x-lockstep-traffic"] for path in ("/", "/api")} == {gate.STOPPED}
    closed.open(gate.STOPPED)
    assert answered(scene, "/") == "frontend"


def test_where_no_container_gets_the_rest_there_is_none(scene: Scene) -> None:
    record = project(scene)
    apply(scene, {**record, "containers": record["containers"][:1]})
    assert scene.get("/", host=HOST).status == 404


def test_sites_and_projects_are_served_side_by_side_but_not_by_one_name(scene: Scene, shop: Shop) -> None:
    found = place(scene)
    front = scene.site(HOST)
    with pytest.raises(LockstepError, match="leads to both"):
        Traffic((front,), projects=(found.project(project(scene)),))


def test_each_deployment_has_its_own_projects_and_what_fails_is_not_written_down(scene: Scene) -> None:
    folder = str(scene.folder / "projects")
    one, other = {"name": "a"}, {"name": "b"}
    with ProjectRecords(folder, "x.production", [one]).written():
        assert [found["id"] for found in ProjectRecords(folder).all()] == ["x.production/a"]
    with ProjectRecords(folder, "x.staging", [one, other]).written():
        pass
    assert len(ProjectRecords(folder).all()) == 3
    assert [found["id"] for found in ProjectRecords(folder, "x.staging", []).all()] == ["x.production/a"]
    with pytest.raises(LockstepError), ProjectRecords(folder, "x.production", []).written():
        raise LockstepError("nginx does not take it")
    assert len(ProjectRecords(folder).all()) == 3
