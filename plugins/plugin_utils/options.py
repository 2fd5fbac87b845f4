# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extra variables and the defaults of options: the one place where they are read.

What is given with ``-e`` wins over the deployment file. An empty text counts as absent, since AWX sends one for every
optional survey question that was left empty.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import spelling, traffic, validation
from ansible_collections.lockstep.deploy.plugins.plugin_utils._records import model
from ansible_collections.lockstep.deploy.plugins.plugin_utils.names import refuse_cut, split_names
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import EXTRA_VARIABLES, Problem

STRATEGIES = ("rolling", "sequential", "all-at-once", "parallel", "canary", "blue-green")
SOURCE = EXTRA_VARIABLES
#: Seconds by environment; none in others.
_WATCHED = {"production": 3600.0}
_TRUE = frozenset(("true", "yes", "on", "y", "1"))
_FALSE = frozenset(("false", "no", "off", "n", "0"))


@dataclasses.dataclass
class Choices:
    """What was chosen for one run, beside the deployment file.

    Args:
        deployment: A path or a mapping that takes the place of the file (``deployment_config``).
        strategy: ``deployment_strategy``, else ``strategy``.
        only: Names of units, benches or sites the run is limited to (``only`` and ``target_sites`` together).
        closure: Whether what those need is taken too (``only_closure``).
        options: Options given by name.
        bench_path: Where the one bench is that the file doesn't describe (``lockstep_bench_path``).
        bench_user: Who owns it (``lockstep_bench_user``).
        server: Which server it is on (``lockstep_server``).
        problems: What could not be understood.
        warnings: Variables that are probably meant for us, and that nothing of ours reads.
    """

    deployment: str | dict[str, t.Any] | None = None
    strategy: str | None = None
    only: list[str] | None = None
    target_sites: list[str] | None = None
    closure: bool = True
    options: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    bench_path: str | None = None
    bench_user: str | None = None
    server: str | None = None
    problems: list[Problem] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def read(variables: t.Mapping[str, t.Any], environ: t.Mapping[str, str] | None = None) -> Choices:
    """Read extra variables.

    Args:
        variables: All extra variables; those of others are left alone.
        environ: Environment, for ``LOCKSTEP_BENCH_PATH``, ``LOCKSTEP_BENCH_USER`` and ``LOCKSTEP_SERVER``.

    Returns:
        The choices, with what could not be understood among them.
    """
    given = {name: value for name, value in variables.items() if not (value is None or value == "")}
    choices = Choices(warnings=spelling.find_slips(variables))
    _read_deployment(given, choices)
    _read_strategy(given, choices)
    choices.only = _names("only", given, choices)
    choices.target_sites = _names("target_sites", given, choices)
    closure = _coerce(given.get("only_closure", True), ["boolean"])
    if isinstance(closure, bool):
        choices.closure = closure
    else:
        choices.problems.append(Problem(("only_closure",), f"found {closure!r}; expected true or false", file=SOURCE))
    for name in validation.option_schemas():
        if name in given:
            _read_option(name, given[name], choices)
    for name in ("bench_path", "bench_user", "server"):
        value = given.get(f"lockstep_{name}") or (environ or {}).get(f"LOCKSTEP_{name.upper()}")
        setattr(choices, name, str(value) if value else None)
    return choices


def defaults() -> dict[str, t.Any]:
    """All options with their default values."""
    return {name: option["default"] for name, option in validation.option_schemas().items()}


def watch_for(given: float | None, environment: str) -> float:
    """Seconds that sites are watched after their deployment.

    Args:
        given: The option of that name; None where nobody said it.
        environment: The environment, which decides then.
    """
    return _WATCHED.get(environment, 0.0) if given is None else float(given)


def find_place_problems(choices: Choices) -> list[Problem]:
    """What is wrong with where the one bench is said to be, whether by variable, environment or configuration."""
    given = (("bench_path", "path"), ("bench_user", "user"), ("server", "name"))
    return [
        Problem((f"lockstep_{field}",), message, file="defaults")
        for field, definition in given
        if getattr(choices, field) is not None
        for message in validation.find_definition_problems(definition, getattr(choices, field))
    ]


def find_contradictions(options: t.Mapping[str, t.Any], strategy: str = "") -> dict[str, str]:
    """What is wrong with options that are right one by one, by the option that has to be another.

    Args:
        options: All options.
        strategy: The deployment's strategy.
    """
    if options["thaw"] == "together" and not options["rollback_on_failure"]:
        return {
            "rollback_on_failure": "found false with thaw: together; expected true, "
            "or a failure would leave every site frozen (or thaw: unit)"
        }
    if options["thaw"] == "together" and strategy == model.CANARY:
        return {
            "thaw": f"found together with strategy: {strategy}, which lets the users of one wave write before the next "
            "one is touched; expected unit"
        }
    if options["thaw"] == "together" and traffic.shares(options)["steps"]:
        return {
            "thaw": f"found together with traffic_strategy: {options['traffic_strategy']}, whose visitors write while "
            "they are shared out, when other sites may still go back; expected unit, or traffic_strategy: instant"
        }
    if options["freeze"] == "auto" and options["rehearsal"] == "never":
        return {"rehearsal": "found never with freeze: auto, which a rehearsal decides; expected auto or always"}
    return _of_clones(options, strategy) or traffic.find_contradictions(options, strategy)


def _of_clones(options: t.Mapping[str, t.Any], strategy: str) -> dict[str, str]:
    """What a cloned database excludes: it is green's, and only one of two databases can take writes."""
    if options["green_database"] != "clone":
        return {}
    if strategy != "blue-green":
        return {"green_database": f"found clone with strategy: {strategy}; expected strategy: blue-green, or shared"}
    if traffic.shares(options)["steps"]:
        return {
            "green_database": f"found clone with traffic_strategy: {options['traffic_strategy']}, where visitors write "
            "through both releases, and only one of two databases can take what they write; expected "
            "traffic_strategy: instant, or shared"
        }
    return {}


def canonical_strategy(text: str) -> str:
    """A strategy in its one spelling."""
    return text.strip().replace("_", "-")


def canonical(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Options of a file, those that may be written in several ways in their one spelling."""
    name = "traffic_strategy"
    return {**options, name: traffic.canonical(options[name])} if name in options else dict(options)


def _read_deployment(given: t.Mapping[str, t.Any], choices: Choices) -> None:
    value = given.get("deployment_config")
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            message = "is not valid JSON; expected a path or a mapping"
            choices.problems.append(Problem(("deployment_config",), message, file=SOURCE))
            return
    if value is None or isinstance(value, (str, dict)):
        choices.deployment = value
    else:
        choices.problems.append(Problem(("deployment_config",), "expected a path or a mapping", file=SOURCE))


def _read_strategy(given: t.Mapping[str, t.Any], choices: Choices) -> None:
    name = "deployment_strategy" if "deployment_strategy" in given else "strategy"
    if name not in given:
        return
    strategy = canonical_strategy(str(given[name]))
    if strategy in STRATEGIES:
        choices.strategy = strategy
        return
    message = f'found "{given[name]}"; expected one of {", ".join(STRATEGIES)}'
    choices.problems.append(Problem((name,), message, file=SOURCE))


def _names(name: str, given: t.Mapping[str, t.Any], choices: Choices) -> list[str] | None:
    """Names that were given; None when there are none."""
    try:
        return split_names(given.get(name)) or None
    except ValueError as error:
        choices.problems.append(Problem((name,), str(error), file=SOURCE))
        return None


def _read_option(name: str, value: t.Any, choices: Choices) -> None:
    try:
        coerced = _coerce_option(name, value)
    except ValueError as error:
        choices.problems.append(Problem((name,), str(error), file=SOURCE))
        return
    wrong = validation.find_option_problems(name, coerced)
    choices.problems.extend(Problem((name,), message, file=SOURCE) for message in wrong)
    if not wrong:
        choices.options[name] = coerced


def _coerce_option(name: str, value: t.Any) -> t.Any:
    option = validation.option_schemas()[name]
    if name == "run_tests" and isinstance(value, str):
        flag = _coerce(value, ["boolean"])
        return flag if isinstance(flag, bool) else [value]
    if name == "traffic_strategy":
        return traffic.canonical(value)
    if name == "smoke_tests" and isinstance(value, str):
        return _listed(value) if value.lstrip().startswith("[") else [value]
    if option.get("type") == "array" and isinstance(value, str):
        return _listed(value)
    if option.get("type") == "object" and isinstance(value, str):
        return _from_json(value)
    types = option.get("type", [])
    return _coerce(value, [types] if isinstance(types, str) else types)


def _listed(text: str) -> t.Any:
    """A list as it can be written after ``-e name=``: in JSON, or separated by blanks or commas.

    Raises:
        ValueError: It was cut off, see :func:`names.refuse_cut`.
    """
    if text.lstrip().startswith("["):
        return _from_json(text)
    refuse_cut(text)
    return [_coerce(one, ["integer"]) for one in re.split(r"[\s,]+", text.strip()) if one]


def _from_json(text: str) -> t.Any:
    """What a text says in JSON; the text itself where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _coerce(value: t.Any, types: t.Sequence[str]) -> t.Any:
    """``-e name=value`` makes texts of everything: give the value the type that is expected, where it can have it."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if "boolean" in types and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    if "integer" in types and re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if "number" in types and re.fullmatch(r"[+-]?\d+(\.\d+)?", text):
        return float(text) if "." in text else int(text)
    return text if types else value
