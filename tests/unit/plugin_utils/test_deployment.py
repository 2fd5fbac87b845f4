# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployment files: what is accepted as it is, and what each error says."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils import deployment, options, plan, units
from ansible_collections.lockstep.deploy.plugins.plugin_utils.deployment import Deployment, RefusedDeployment
from ansible_collections.lockstep.deploy.plugins.plugin_utils.problems import (
    EXTRA_VARIABLES,
    DeploymentError,
    Path,
    Problem,
    dotted,
)
from ansible_collections.lockstep.deploy.plugins.plugin_utils.sources import SourceError

Load = t.Callable[..., Deployment]

# The sample configuration of the Frappe multi-app deployment, as its source document has it.
SAMPLE: dict[str, t.Any] = {
    "apps": [
        {"name": "frappe", "version": "v16.0.0", "source": "https://github.com/frappe/frappe"},
        {"name": "erpnext", "version": "v16.0.0", "source": "https://github.com/frappe/erpnext"},
        {
            "name": "custom_app",
            "version": "v1.0.0",
            "source": "https://github.com/company/custom_app",
            "config": {"enable_feature_x": True, "api_key": "xxx"},
        },
    ],
    "sites": ["site1.local", "site2.local", "site3.local"],
    "strategy": "rolling",
    "options": {
        "batch_size": 1,
        "wait_time": 60,
        "rollback_on_failure": True,
        "backup_before_deployment": True,
        "run_tests": True,
        "notify_users": True,
    },
    "dependencies": {"custom_app": ["erpnext"], "erpnext": ["frappe"]},
}
APPS = """
apps:
  - {name: frappe, source: https://github.com/frappe/frappe}
  - {name: erpnext, source: https://github.com/frappe/erpnext}
"""


@pytest.fixture
def load(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a text as a deployment file called deployment.yml (or another name) in the current folder."""
    monkeypatch.chdir(tmp_path)

    def load(text: str, name: str = "deployment.yml", **variables: t.Any) -> Deployment:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return deployment.load(name, options.read(variables))

    return load


class Unreachable:
    """Repositories of which none can be read."""

    def resolve(self, *_args: object) -> t.NoReturn:
        raise SourceError("can't be read", "source")


def errors(load: Load, text: str, **more: t.Any) -> list[str]:
    with pytest.raises(DeploymentError) as raised:
        load(text, **more)
    return raised.value.lines


def test_the_sample_configuration_is_accepted_as_written_in_json_and_yaml(load: Load) -> None:
    found = load(json.dumps(SAMPLE), name="deployment.json")
    assert [site["name"] for site in found.sites] == SAMPLE["sites"]
    assert found.app_order == ["frappe", "erpnext", "custom_app"]
    assert found.options["wait_time"] == 60
    assert found.sites[0]["config"] == {"enable_feature_x": True, "api_key": "xxx"}
    assert found.benches[0] | {"apps": []} == {
        "name": "frappe-bench",
        "server": "localhost",
        "path": "/home/frappe/frappe-bench",
        "root": "/home/frappe/lockstep/frappe-bench",
        "user": None,
        "apps": [],
    }
    again = load(json.dumps(SAMPLE), name="deployment.yaml")
    assert (again.sites, again.benches, again.apps) == (found.sites, found.benches, found.apps)


def test_a_mapping_is_a_deployment_too() -> None:
    found = deployment.load(SAMPLE, options.read({}))
    assert (found.file, found.project, len(found.sites)) == (None, "deployment", 3)


def test_where_the_bench_is_comes_from_defaults_that_can_be_set(load: Load) -> None:
    found = load(
        json.dumps(SAMPLE),
        lockstep_bench_path="/srv/bench-15",
        lockstep_bench_user="erp",
        lockstep_server="web1",
    )
    bench = found.benches[0]
    assert (bench["name"], bench["path"], bench["user"]) == ("bench-15", "/srv/bench-15", "erp")
    assert (bench["server"], bench["root"]) == ("web1", "/srv/lockstep/bench-15")


def test_defaults_are_checked_too(load: Load) -> None:
    found = errors(
        load, json.dumps(SAMPLE), lockstep_bench_path="bench", lockstep_bench_user="a b", lockstep_server="-x"
    )
    assert [line.split(";")[0] for line in found] == [
        'defaults: lockstep_bench_path: found "bench"',
        'defaults: lockstep_bench_user: found "a b"',
        'defaults: lockstep_server: found "-x"',
    ]


def test_the_project_is_called_like_the_file(load: Load) -> None:
    assert load(json.dumps(SAMPLE), name="my shop.yml").project == "my-shop"


def test_hyphens_and_underscores_mean_the_same_in_values(load: Load) -> None:
    text = (
        APPS.replace("name: erpnext", "name: er-p_next")
        + "sites: []\nstrategy: all_at_once\ndependencies: {er_p-next: [frappe]}"
    )
    found = load(text)
    assert (found.strategy, found.app_order) == ("all-at-once", ["frappe", "er_p_next"])


def test_options_by_name_and_strategy_win_over_the_file(load: Load) -> None:
    found = load(
        json.dumps(SAMPLE),
        batch_size="3",
        rollback_on_failure="no",
        strategy="sequential",
        deployment_strategy="parallel",
        wait_time="",
    )
    assert (found.options["batch_size"], found.options["rollback_on_failure"]) == (3, False)
    assert (found.options["wait_time"], found.strategy) == (60, "parallel")


def test_one_bench_may_be_on_several_servers_with_sites_of_their_own(load: Load) -> None:
    found = load(
        APPS
        + """
servers: {web1: {ansible_host: 10.0.0.1}, web2: {}}
benches: {main: {servers: [web1, web2], path: /home/frappe/main}}
sites:
  - {name: a.example.com, server: web1}
  - {name: b.example.com, server: web2, depends_on: [a.example.com]}
"""
    )
    made = units.make_units(found)
    assert [unit.name for unit in made] == ["main@web1", "main@web2", "a.example.com", "b.example.com"]
    assert made[3].depends_on == ["main@web2", "a.example.com"]
    assert made[0].bench == {
        "name": "main",
        "path": "/home/frappe/main",
        "root": "/home/frappe/lockstep/main",
        "user": None,
    }


def test_a_site_called_like_a_server_gets_the_server_in_its_name(load: Load) -> None:
    found = load(APPS + "servers: {web1: {}}\nsites: [web1, other]")
    assert [unit.name for unit in units.make_units(found)] == ["frappe-bench@web1", "web1@web1", "other"]


def test_a_site_may_take_some_of_the_apps_with_what_they_need(load: Load) -> None:
    text = APPS + "  - {name: hrms, source: ./hrms, requires: [erpnext]}\n  - {name: lms, source: ./lms}\n"
    found = load(text + "sites:\n  - {name: a, apps: [hrms]}\n  - b\n")
    assert found.sites[0]["apps"] == ["frappe", "erpnext", "hrms"]
    assert found.sites[1]["apps"] == ["frappe", "erpnext", "lms", "hrms"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sitess: [x]", 'deployment.yml:5: sitess: unknown key (did you mean "sites"?)'),
        ("sites: x", 'deployment.yml:5: sites: found "x"; expected a list'),
        ("sites: [a b]", 'deployment.yml:5: sites[0]: found "a b"; expected a name'),
        ("sites: [a/b]", 'sites[0]: found "a/b"; expected a name'),
        ("sites: [a..b]", 'sites[0]: found "a..b"; expected a name'),
        ('sites: ["a\'b"]', 'sites[0]: found "a\'b"; expected a name'),
        ("sites: [--all]", 'sites[0]: found "--all"; expected a name'),
        (f"sites: [{'x' * 73}]", "which has 73 characters; expected a name of at most 72"),
        ("sites: [on]", 'sites[0]: found on, which YAML reads as true or false: quote it ("on")'),
        ("sites: [a, b, a]", 'sites[2]: found the site "a" twice (first at sites[0])'),
        ("sites: [all]", 'sites[0]: found "all", which means something else'),
        ("sites: [{name: a, bench: other}]", 'sites[0].bench: found "other", which is no bench of this file'),
        ("sites: [{name: a, server: s}, {name: b, server: s2}, c]", "sites[2]: names no server, and its bench"),
        ("sites: [{name: a, apps: [nope]}]", 'sites[0].apps[0]: found "nope", which its bench does not have'),
        ("sites: [{name: a, depends_on: [b]}]", 'sites[0].depends_on[0]: found "b", which is no site'),
        (
            "sites: [{name: a, depends_on: [b]}, {name: b, depends_on: [a]}]",
            "sites[0].depends_on: found the cycle a → b → a",
        ),
        ("sites: [{name: a, domains: [x.y]}, {name: b, domains: [X.Y]}]", 'found the domain "X.Y", which "a" has too'),
        ("sites: [{nam: a}]", "sites[0]: has no name; expected one"),
        ("sites: [{name: a, health: [x]}]", "sites[0].health[0]: found \"x\"; expected a path beginning with '/'"),
        ("sites: []\noptions: {steps: [7]}", "options.steps[0]: found 7; expected a multiple of 5"),
        ("sites: []\noptions: {steps: []}", "options.steps: found nothing in it; expected at least one entry"),
        (
            "sites: []\noptions: {waves: [100 percent]}",
            'options.waves[0]: found "100 percent"; expected a number of sites, or a percentage such as 25%',
        ),
        (
            "sites: []\noptions: {traffic_strategy: SLOW}",
            'options.traffic_strategy: found "slow"; expected one of instant, gradual, canary, a_b_test',
        ),
        (
            "sites: []\nstrategy: quick",
            'strategy: found "quick"; expected one of rolling, sequential, all-at-once, parallel',
        ),
        ("sites: []\noptions: {batch_size: '1'}", 'options.batch_size: found "1"; expected a whole number'),
        ("sites: []\noptions: {batch_size: 0}", "options.batch_size: found 0; expected at least 1"),
        ("sites: []\noptions: {frezze: full}", 'options.frezze: unknown key (did you mean "freeze"?)'),
        ("sites: []\ndependencies: {nope: [frappe]}", 'dependencies.nope: found "nope", which is no app of this file'),
        (
            "sites: []\ndependencies: {frappe: [erpnext], erpnext: [frappe]}",
            "dependencies: found the cycle frappe → erpnext → frappe",
        ),
        (
            "sites: []\ndependencies: {erpnext: {frappe: '>=x'}}",
            "dependencies.erpnext.frappe: found '>=x' is no version range",
        ),
        ("sites: []\nservers: {'web 1': {}}", "servers['web 1']: found \"web 1\"; expected a name"),
        ("sites: []\nbenches: {a: {path: x}}", 'benches.a.path: found "x"; expected an absolute path'),
        ("sites: []\nbenches: {a: {server: s, servers: [t]}}", "benches.a.servers: found beside server"),
        (
            "sites: []\nbenches: {a: {path: /x}, b: {path: /x}}",
            'benches.b.path: found /x, where the bench "a" is already',
        ),
        (
            "sites: [x]\nbenches: {a: {}, b: {}}",
            "sites[0]: names no bench, and there are several; expected one of a, b",
        ),
        ("sites: []\nservers: {a: {}, b: {}}\nbenches: {x: {}}", "benches.x: says no server, and there are several"),
        ("sites: []\nbenches: {a: {ports: {first: 3, last: 2}}}", "benches.a.ports: found 3 to 2"),
        ("sites: []\nplugin: other.name", 'plugin: found "other.name"; expected lockstep.deploy.deployment'),
        (
            "sites: []\nsites: [a]",
            "deployment.yml:6: sites: found twice in one mapping (first in line 5); expected once",
        ),
        ("sites: [{name: a, name: b}]", "sites[0].name: found twice in one mapping"),
        ("sites: []\noptions: {on: 1}", "options.on: found the key on, which YAML does not read as text"),
        ("sites: [a", "deployment.yml:6: is not valid YAML"),
        (
            "sites: [!!binary aGk=]",
            "deployment.yml:5: is not valid YAML: the tag tag:yaml.org,2002:binary is not supported",
        ),
    ],
)
def test_each_error_names_file_path_what_was_found_and_what_is_expected(load: Load, text: str, expected: str) -> None:
    with pytest.raises(DeploymentError) as raised:
        load(APPS + text)
    found = raised.value.lines
    assert len([line for line in found if expected in line]) == 1, found
    if isinstance(raised.value, RefusedDeployment):
        around = plan.Surroundings(servers=[])
        sources: t.Any = Unreachable()
        further = plan.find_further_problems(raised.value, sources, around)
        assert {str(problem.path[0]) for problem in further} <= {"apps", "benches", "sites"}
    assert all(line.startswith("deployment.yml:") and "\n" not in line for line in found)


ODD_NAMES = [
    "a b",
    " a",
    "a/b",
    "../a",
    "..",
    "a..b",
    "a'b",
    'a"b',
    "a`b",
    "a;b",
    "a$b",
    "a\nb",
    "-a",
    "--all",
    "",
    "x" * 73,
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_name_is_refused_wherever_a_name_may_stand(load: Load, name: str) -> None:
    text = json.dumps(
        {
            "project": name,
            "servers": {name: {}},
            "benches": {name: {"server": name, "apps": [name]}},
            "apps": [
                {"name": "frappe", "source": "./frappe"},
                {"name": name, "source": "./app", "requires": {name: ""}},
            ],
            "sites": [
                name,
                {"name": name, "bench": name, "server": name, "depends_on": [name], "domains": [f"{name}/"]},
            ],
            "dependencies": {name: ["frappe"]},
        }
    )
    places: list[Path] = [
        ("project",),
        ("servers", name),
        ("benches", name),
        ("benches", name, "server"),
        ("benches", name, "apps", 0),
        ("apps", 1, "name"),
        ("apps", 1, "requires", name),
        ("sites", 0),
        ("sites", 1, "name"),
        ("sites", 1, "bench"),
        ("sites", 1, "server"),
        ("sites", 1, "depends_on", 0),
        ("sites", 1, "domains", 0),
        ("dependencies", name),
    ]
    found = errors(load, text, name="deployment.json")
    assert {dotted(place) for place in places} <= {line.split(": ")[1] for line in found}
    assert all("\n" not in line for line in found)


@pytest.mark.parametrize("version", ["1.10", "16", "1e3", "no", "0o17"])
def test_versions_that_yaml_makes_numbers_of_must_be_quoted(load: Load, version: str) -> None:
    text = f"apps: [{{name: frappe, source: ./frappe, version: {version}}}]\nsites: []"
    if version == "0o17":
        assert load(text).apps[0]["version"] == "0o17"
    elif version == "1e3":
        assert load(text).apps[0]["version"] == "1e3"
    else:
        [line] = errors(load, text)
        assert f'quote it ("{version}")' in line


def test_a_date_stays_the_text_it_is(load: Load) -> None:
    assert (
        load("apps: [{name: frappe, source: ./x, version: 2024-01-01}]\nsites: []").apps[0]["version"] == "2024-01-01"
    )


def test_all_errors_are_told_at_once_in_the_order_of_the_file(load: Load) -> None:
    found = errors(
        load,
        """
project: my shop
apps:
  - {name: frappe, version: 1.10, source: ftp://x.example.com/y}
  - {name: frappe, source: ./frappe}
sites: [a, a, b c]
options: {batch_size: x}
dependencies: {other: [frappe]}
""",
        batch_size="many",
    )
    assert [line.split(": ")[0:2] for line in found] == [
        ["deployment.yml:2", "project"],
        ["deployment.yml:4", "apps[0].version"],
        ["deployment.yml:4", "apps[0].source"],
        ["deployment.yml:5", "apps[1].name"],
        ["deployment.yml:6", "sites[2]"],
        ["deployment.yml:6", "sites[1]"],
        ["deployment.yml:7", "options.batch_size"],
        ["deployment.yml:8", "dependencies.other"],
        ["extra variables", "batch_size"],
    ]


def test_errors_in_json_have_lines_too(load: Load) -> None:
    text = json.dumps({**SAMPLE, "sites": ["a", "a b"]}, indent=2)
    [line] = errors(load, text, name="deployment.json")
    number = text[: text.index('"a b"')].count("\n") + 1
    assert line.startswith(f"deployment.json:{number}: sites[1]: found")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"apps": [', "deployment.json:1: is not valid JSON"),
        ('{"apps": [], "apps": []}', "apps: found twice in one mapping"),
        ('{"apps": NaN}', "is not valid JSON: NaN"),
        ("[]", "found nothing in it; expected a mapping"),
    ],
)
def test_broken_json(load: Load, text: str, expected: str) -> None:
    assert expected in errors(load, text, name="deployment.json")[0]


def test_secrets_are_in_no_error(load: Load) -> None:
    found = errors(
        load,
        """
servers: {web1: {ansible_password: s3cret1}, web2: s3cret2}
apps:
  - {name: frappe, source: 'https://user:s3cret3@exa mple.com/x', config: s3cret4}
  - {name: erpnext, source: 'gopher://s3cret5@example.com/x?token=s3cret6'}
  - {name: hrms, source: 'ssh://git:s3cret7@example.com/x'}
sites:
  - {name: a, config: {password: s3cret8}, unknown: 1}
benches: {x: {server: web1, database: {admin: {password: [s3cret9]}}}}
dependencies: {'https://user:s3cret10@example.com/x': [frappe]}
'https://user:s3cret11@example.com/x': apps
""",
    )
    assert len(found) >= 8
    assert not [line for line in found if "s3cret" in line]


def test_vaulted_values_are_taken_as_they_are(load: Load) -> None:
    cipher = "$ANSIBLE_VAULT;1.1;AES256\\n6162\\n"
    found = load(APPS + f'sites: [{{name: a, config: {{key: !vault "{cipher}", plain: !unsafe "{{{{ x }}}}"}}}}]')
    assert type(found.sites[0]["config"]["key"]).__name__ == "VaultedText"
    assert found.warnings == ["sites[0].config.plain contains {{ and is taken as it is; keep secrets in !vault values"]
    as_json = json.dumps({**SAMPLE, "sites": [{"name": "a", "config": {"key": {"__ansible_vault": "x"}}}]})
    assert type(load(as_json, name="d.json").sites[0]["config"]["key"]).__name__ == "VaultedText"


def test_what_playbooks_see_holds_no_settings_and_no_credentials(load: Load) -> None:
    text = json.dumps(SAMPLE).replace("https://github.com/company", "https://t0ken@github.com/company")
    shown = json.dumps(load(text, name="deployment.json").as_variable())
    assert "t0ken" not in shown
    assert "xxx" not in shown
    assert "api_key" in shown


def test_a_missing_file_is_one_error(load: Load) -> None:
    with pytest.raises(DeploymentError, match=r"nowhere\.yml: can't be read: No such file"):
        deployment.load("nowhere.yml", options.read({}))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"only": "site2.local"}, ["frappe-bench@localhost", "site2.local"]),
        ({"only": ["site1.local"], "only_closure": "false"}, ["site1.local"]),
        ({"only": "site1.local, site3.local"}, ["frappe-bench@localhost", "site1.local", "site3.local"]),
        ({"only": "frappe-bench"}, ["frappe-bench@localhost"]),
        ({"target_sites": "site3.local site1.local"}, ["frappe-bench@localhost", "site1.local", "site3.local"]),
        ({"target_sites": '["site1.local"]'}, ["frappe-bench@localhost", "site1.local"]),
        ({"only": "", "target_sites": ""}, ["frappe-bench@localhost", "site1.local", "site2.local", "site3.local"]),
    ],
)
def test_a_selection_takes_what_it_needs_unless_that_is_declined(
    load: Load, variables: dict[str, t.Any], expected: list[str]
) -> None:
    found = load(json.dumps(SAMPLE), **variables)
    selected, problems = units.select(units.make_units(found), found)
    assert [unit.name for unit in selected] == expected
    assert problems == []


def test_an_unknown_name_in_a_selection_is_an_error(load: Load) -> None:
    found = load(json.dumps(SAMPLE), only="site9.local", target_sites="frappe-bench")
    _selected, problems = units.select(units.make_units(found), found)
    assert [str(problem) for problem in problems] == [
        'extra variables: only: found "site9.local"; expected a unit, bench or site of this deployment',
        'extra variables: target_sites: found "frappe-bench"; expected a site of this deployment',
    ]


def test_smoke_tests_and_paths_for_load_are_kept_as_they_are_written(load: Load) -> None:
    site = "{name: a.local, smoke_tests: [/shop, {path: /x, status: 302}, [/bin/true]], performance_paths: [/shop]}"
    found = load(APPS + f"sites: [{site}, b.local]\noptions: {{smoke_tests: [./smoke quick]}}\n")
    one, other = found.sites
    assert one["smoke_tests"] == ["/shop", {"path": "/x", "status": 302}, ["/bin/true"]]
    assert one["performance_paths"] == ["/shop"]
    assert (other["smoke_tests"], other["performance_paths"]) == ([], [])
    assert found.options["smoke_tests"] == ["./smoke quick"]


@pytest.mark.parametrize("wrong", ["[/with a blank]", "[3]", "[[]]", "['']", "/shop", "[{status: 200}]"])
def test_what_is_no_smoke_test_is_refused(load: Load, wrong: str) -> None:
    assert "smoke_tests" in errors(load, APPS + f"sites: [{{name: a.local, smoke_tests: {wrong}}}]\n")[0]


def test_what_the_command_line_has_is_not_put_on_the_file() -> None:
    of_file, given = Problem((), "is empty", file="a.yml"), Problem(("steps",), "no", file=EXTRA_VARIABLES)
    assert DeploymentError([given], "a.yml").summary == "What was given with -e has 1 error; nothing was changed"
    assert DeploymentError([given, of_file], "a.yml").summary == "a.yml has 2 errors; nothing was changed"
    assert DeploymentError([], "a.yml").summary == "a.yml has 0 errors; nothing was changed"
