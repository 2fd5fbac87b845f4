# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment: the file read, checked as a whole and brought into one form.

The form is the same whether the file says little (the sample of S0: apps and sites as plain names) or much. Nothing
here looks at a network, a server or a repository.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import options as option_reader
from ansible_collections.lockstep.deploy.plugins.plugin_utils import validation
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment_apps import (
    literal_templates,
    read_apps,
    with_framework,
)
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment_benches import read_benches
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment_dns import read_dns
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment_projects import read_projects
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment_sites import read_sites
from ansible_collections.lockstep.deploy.plugins.plugin_utils.document import Lines, read
from ansible_collections.lockstep.deploy.plugins.plugin_utils.options import Choices
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import DeploymentError, Path, Problem
from ansible_collections.lockstep.deploy.plugins.plugin_utils.urls import without_credentials

__all__ = ["Deployment", "build", "load", "load_chosen", "with_framework"]
_NAMELESS = "deployment_config"


@dataclasses.dataclass
class Deployment:
    """A valid deployment.

    Args:
        file: Absolute path of the file; None when it came as a mapping.
        project: Name for manifests and records.
        environment: development, staging or production.
        strategy: How units are admitted, in its one spelling.
        options: All options, with defaults filled in and extra variables applied.
        servers: Servers the file defines, with their host variables.
        benches: One mapping per bench and server: name, server, path, root, user, apps, and what else was given.
        apps: name, version (None when not given), source, config, requires (app → range), explicit ones only.
        sites: name, bench, server, apps, domains, config, depends_on, health, smoke_tests, performance_paths, dns.
        projects: name, server, domains, tls, listen, body_size, timeout, containers; those of this environment.
        app_order: All apps, each after those it needs explicitly.
        choices: What was chosen for this run.
        warnings: What a user should know and what is no error.
        zones: DNS zones by name, with the secrets of their keys: never part of a variable.
    """

    file: str | None
    project: str
    environment: str
    strategy: str
    options: dict[str, t.Any]
    servers: dict[str, dict[str, t.Any]]
    benches: list[dict[str, t.Any]]
    apps: list[dict[str, t.Any]]
    sites: list[dict[str, t.Any]]
    app_order: list[str]
    choices: Choices
    warnings: list[str]
    projects: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    zones: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict, repr=False)
    app_paths: dict[str, Path] = dataclasses.field(default_factory=dict, repr=False)
    bench_paths: dict[str, Path] = dataclasses.field(default_factory=dict, repr=False)
    site_paths: dict[str, Path] = dataclasses.field(default_factory=dict, repr=False)
    lines: Lines = dataclasses.field(default_factory=Lines, repr=False)

    @property
    def shown_file(self) -> str:
        """The file as messages name it."""
        return shown_path(self.file) if self.file else _NAMELESS

    @property
    def base(self) -> str:
        """Folder that relative sources start from."""
        return os.path.dirname(self.file) if self.file else os.getcwd()

    def as_variable(self) -> dict[str, t.Any]:
        """The deployment for playbooks and roles: no value of a configuration, no credentials."""
        return {
            "project": self.project,
            "environment": self.environment,
            "strategy": self.strategy,
            "options": self.options,
            "servers": list(self.servers),
            "benches": [{name: value for name, value in bench.items() if name != "database"} for bench in self.benches],
            "apps": [
                {**app, "source": without_credentials(app["source"]), "config": list(app["config"])}
                for app in self.apps
            ],
            "sites": [{**site, "config": list(site["config"])} for site in self.sites],
            "projects": self.projects,
            "app_order": self.app_order,
            "defaults": {name: getattr(self.choices, name) for name in ("bench_path", "bench_user", "server")},
        }

    def problem(self, path: Path, message: str) -> Problem:
        """A problem at a place in this deployment's file."""
        return Problem(path, message, self.lines.line(path), self.shown_file)


class RefusedDeployment(DeploymentError):
    """A deployment that can't be used, in the order of its file.

    Args:
        problems: All problems that its document has.
        what: The file, or what stands for it.
        rest: The deployment without what was refused, so that the rest can be looked at all the same.
    """

    def __init__(self, problems: t.Sequence[Problem], what: str, rest: Deployment | None) -> None:
        super().__init__(sorted(problems, key=lambda problem: (problem.file != what, problem.line or 0)), what)
        self.rest = rest


def shown_path(path: str) -> str:
    """A path as short as it can be said from where the user is."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def load(source: str | t.Mapping[str, t.Any], choices: Choices, text: str | None = None) -> Deployment:
    """Load a deployment.

    Args:
        source: Path of the file, or the deployment itself as a mapping.
        choices: What was chosen for this run, from :func:`options.read`.
        text: Content of the file, where the caller has read (and decrypted) it already.

    Returns:
        The deployment.

    Raises:
        DeploymentError: With everything that is wrong, each with file, line and path.
    """
    if not isinstance(source, str):
        return build(dict(source), Lines(), None, choices)
    file = os.path.abspath(source)
    data, lines = read(read_text(file) if text is None else text, shown_path(file))
    return build(data, lines, file, choices)


def load_chosen(source: str | dict[str, t.Any], choices: Choices, *folders: str) -> Deployment:
    """Load the deployment that ``deployment_config`` gives.

    Args:
        source: Its path, or the deployment itself.
        choices: What was chosen for this run.
        folders: Where a relative path is looked for, after the current folder.

    Raises:
        DeploymentError: With everything that is wrong.
    """
    if isinstance(source, str):
        path = os.path.expanduser(source)
        places = [os.path.abspath(path), *(os.path.join(folder, path) for folder in folders)]
        source = next((place for place in places if os.path.exists(place)), places[0])
    return load(source, choices)


def read_text(file: str) -> str:
    """Content of a deployment file.

    Raises:
        DeploymentError: There is none, or it can't be read as text.
    """
    try:
        with open(file, encoding="utf-8") as handle:
            return handle.read()
    except OSError as error:
        problem = Problem((), f"can't be read: {error.strerror}", None, shown_path(file))
    except UnicodeDecodeError:
        problem = Problem((), "is not UTF-8 text", None, shown_path(file))
    raise DeploymentError([problem], shown_path(file))


def build(data: t.Any, lines: Lines, file: str | None, choices: Choices) -> Deployment:
    """Check a document as a whole and bring it into one form; see :func:`load`."""
    shown = shown_path(file) if file else _NAMELESS
    if isinstance(data, dict) and not data.keys() - {"plugin"}:
        message = "describes no deployment; expected -i path/to/deployment.yml, or -e deployment_config=path/to/it"
        raise DeploymentError([Problem((), message, None, shown)], shown)
    if isinstance(data, dict) and isinstance(data.get("strategy"), str):
        data = {**data, "strategy": option_reader.canonical_strategy(data["strategy"])}
    if isinstance(data, dict) and isinstance(data.get("options"), dict):
        data = {**data, "options": option_reader.canonical(data["options"])}
    problems = validation.find_problems(data, lines)
    deployment: Deployment | None = None
    if isinstance(data, dict):
        refused = {problem.path for problem in problems}
        deployment, found = _assemble(_sound(data, problems), lines, file, choices, refused)
        problems.extend(found)
    problems = [problem.placed(shown, lines.line(problem.path)) for problem in problems]
    problems += [*choices.problems, *option_reader.find_place_problems(choices)]
    if problems or deployment is None:
        raise RefusedDeployment(problems, shown, deployment)
    return deployment


def _sound(data: dict[str, t.Any], problems: list[Problem]) -> dict[str, t.Any]:
    """The document without what the schema refused, so that the rest can be looked at all the same.

    An entry that lost its name is replaced by None in lists, so that positions stay, and dropped from mappings.
    """
    sound = dict(data)
    for problem in problems:
        top, rest = str(problem.path[0]) if problem.path else "", problem.path[1:]
        if not rest:
            sound.pop(top, None)
        elif isinstance(sound.get(top), list) and isinstance(rest[0], int):
            sound[top] = [_less(one, rest[1:]) if at == rest[0] else one for at, one in enumerate(sound[top])]
        elif isinstance(sound.get(top), dict):
            less = _less(sound[top].get(rest[0]), rest[1:])
            sound[top] = {name: less if name == rest[0] else one for name, one in sound[top].items()}
            if less is None:
                sound[top].pop(rest[0], None)
    return sound


def _less(entry: t.Any, path: Path) -> t.Any:
    """An entry without one of its members; None when it can't do without."""
    if not isinstance(entry, dict) or not path or path[0] in ("name", "source"):
        return None
    return {name: value for name, value in entry.items() if name != path[0]}


def _assemble(
    data: dict[str, t.Any], lines: Lines, file: str | None, choices: Choices, refused: set[Path]
) -> tuple[Deployment, list[Problem]]:
    base = os.path.dirname(file) if file else os.getcwd()
    apps = read_apps(data.get("apps") or [], data.get("dependencies") or {}, base)
    raw_sites = data.get("sites") or []
    servers = {name: dict(given or {}) for name, given in (data.get("servers") or {}).items()}
    benches = read_benches(data.get("benches"), raw_sites, list(servers), apps, choices)
    sites = read_sites(raw_sites, benches, apps)
    environment = data.get("environment", validation.schema()["properties"]["environment"]["default"])
    with_bench = list(dict.fromkeys(bench["server"] for bench in benches.instances))
    projects = read_projects(data.get("projects") or {}, environment, with_bench, sites.sites)
    dns = read_dns(data.get("dns") or {}, refused, sites.sites, sites.paths)
    options = {**option_reader.defaults(), **(data.get("options") or {}), **choices.options}
    options["watch_for"] = option_reader.watch_for(options["watch_for"], environment)
    deployment = Deployment(
        file=file,
        project=data.get("project") or _project(file),
        environment=environment,
        strategy=choices.strategy or data.get("strategy") or "rolling",
        options=options,
        servers=servers,
        benches=benches.instances,
        apps=apps.apps,
        sites=dns.sites,
        zones=dns.zones,
        app_order=apps.order,
        choices=choices,
        warnings=[*choices.warnings, *_server_warnings(servers), *apps.warnings, *sites.warnings, *projects.warnings],
        projects=projects.projects,
        app_paths=apps.paths,
        bench_paths=benches.paths,
        site_paths=sites.paths,
        lines=lines,
    )
    problems = [*apps.problems, *benches.problems, *sites.problems, *projects.problems, *dns.problems]
    return deployment, problems


def _server_warnings(servers: dict[str, dict[str, t.Any]]) -> list[str]:
    return [warning for name, given in servers.items() for warning in literal_templates(f"servers.{name}", given)]


def _project(file: str | None) -> str:
    """A project's name made of the file's: without its ending, other characters replaced."""
    stem = os.path.splitext(os.path.basename(file))[0] if file else "deployment"
    return re.sub(r"\.\.+", ".", re.sub(r"[^A-Za-z0-9_.-]", "-", stem)).lstrip("-.")[:72] or "deployment"
