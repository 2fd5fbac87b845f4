# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``validate.yml`` is asked for by extra variables. An empty text counts as absent, as AWX sends it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.names import split_names
from ansible_collections.lockstep.deploy.plugins.plugin_utils.validation import find_definition_problems

#: The kinds of validation (SPEC.md, G4), in the order they are carried out: load comes last, when all else was asked.
TYPES = ("health", "configuration", "security", "integration", "performance")
#: What neither changes anything nor costs anybody anything. Integration puts a job into the queue that users' jobs go
#: through, and load is felt by users; who calls validate.yml without a word has agreed to neither.
DEFAULT_TYPES = ("health", "configuration", "security")
ENVIRONMENTS = ("development", "staging", "production")

LONGEST = 3600
MOST_CONNECTIONS = 1000
_BOUNDS = {
    "duration": (1, LONGEST, "seconds"),
    "performance_duration": (1, LONGEST, "seconds"),
    "performance_connections": (1, MOST_CONNECTIONS, "connections"),
    "performance_max_error_rate": (0, 100, "percent"),
    "performance_max_p95": (1, 600_000, "milliseconds"),
}
_WHOLE = ("duration", "performance_duration", "performance_connections")
#: Every variable that is read.
VARIABLES = ("types", *_BOUNDS, "performance_paths", "deployment_id", "environment")


@dataclasses.dataclass
class Choices:
    """What is validated, and how.

    Args:
        types: Of :data:`TYPES`, in their order.
        duration: Seconds of load.
        connections: How many clients ask at once.
        paths: What is asked for; those of the deployment file come on top unless paths were given.
        max_error_rate: Percent of requests that may fail.
        max_p95: Milliseconds for 95 % of the answers.
        deployment_id: The deployment that must be live; None for any.
        notes: What is good to know.
        problems: What could not be understood.
    """

    types: tuple[str, ...] = DEFAULT_TYPES
    duration: int = 60
    connections: int = 4
    paths: tuple[str, ...] | None = None
    max_error_rate: float = 5.0
    max_p95: float = 1000.0
    deployment_id: str | None = None
    notes: list[str] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)


def read(variables: t.Mapping[str, t.Any], environment: str) -> Choices:
    """Read the variables.

    Args:
        variables: Those of :data:`VARIABLES` that are there.
        environment: The one of the deployment file.

    Returns:
        The choices, with what could not be understood among them.
    """
    given = {name: value for name, value in variables.items() if not (value is None or str(value).strip() == "")}
    choices = Choices()
    choices.types = _types(given.get("types"), choices.problems)
    numbers = {name: _number(name, given[name], choices.problems) for name in _BOUNDS if name in given}
    choices.duration = int(_duration(numbers, choices.problems))
    choices.connections = int(numbers.get("performance_connections", choices.connections))
    choices.max_error_rate = float(numbers.get("performance_max_error_rate", choices.max_error_rate))
    choices.max_p95 = float(numbers.get("performance_max_p95", choices.max_p95))
    choices.paths = _paths(given.get("performance_paths"), choices.problems)
    choices.deployment_id = str(given["deployment_id"]).strip() if "deployment_id" in given else None
    _check_environment(given.get("environment"), environment, choices.problems)
    load = [name for name in (*_BOUNDS, "performance_paths") if name in given]
    if load and "performance" not in choices.types:
        choices.notes.append(f"{', '.join(load)}: no load is made, since performance is not among the types")
    return choices


def _types(given: t.Any, problems: list[str]) -> tuple[str, ...]:
    try:
        names = [name.lower() for name in split_names(given)]
    except ValueError as error:
        problems.append(f"types: {error}")
        return DEFAULT_TYPES
    unknown = [name for name in names if name not in (*TYPES, "all")]
    if unknown:
        problems.append(f"types: found {', '.join(unknown)}; expected some of {', '.join(TYPES)}, or all")
    if "all" in names:
        return TYPES
    return tuple(kind for kind in TYPES if kind in names) or DEFAULT_TYPES


def _number(name: str, given: t.Any, problems: list[str]) -> float:
    low, high, unit = _BOUNDS[name]
    try:
        value = float(str(given).strip())
    except ValueError:
        value = float("nan")
    if not low <= value <= high or (name in _WHOLE and value != int(value)):
        kind = "a whole number" if name in _WHOLE else "a number"
        problems.append(f"{name}: found {given!r}; expected {kind} from {low} to {high} ({unit})")
        return low
    return value


def _duration(numbers: t.Mapping[str, float], problems: list[str]) -> float:
    said = [numbers[name] for name in ("duration", "performance_duration") if name in numbers]
    if len(set(said)) > 1:
        problems.append("duration and performance_duration mean the same, and are given with two values")
    return said[0] if said else Choices.duration


def _paths(given: t.Any, problems: list[str]) -> tuple[str, ...] | None:
    try:
        paths = split_names(given)
    except ValueError as error:
        problems.append(f"performance_paths: {error}")
        return None
    for path in paths:
        problems.extend(f"performance_paths: {wrong}" for wrong in find_definition_problems("health_path", path))
    return tuple(paths) or None


def _check_environment(given: t.Any, environment: str, problems: list[str]) -> None:
    """Whoever names an environment makes sure that it is no other one's deployment file that is used."""
    if given is None or given == environment:
        return
    if given not in ENVIRONMENTS:
        problems.append(f'environment: found "{given}"; expected one of {", ".join(ENVIRONMENTS)}')
    else:
        problems.append(f'environment: found "{given}", and the deployment file is for {environment}')
