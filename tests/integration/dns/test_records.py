# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of sites in real zones: changed as the file says, seen at every name server, never somebody else's."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.plugin_utils import validation
from tests.integration.dns.scene import ADDRESS, ALGORITHMS, KEY, OTHER_SECRET, SECRET, Scene
from tests.support.daemons import free_port

pytestmark = pytest.mark.integration
AT_ONCE: dict[str, t.Any] = {"ttl_before_change": None}


def failure(scene: Scene, state: str = "present", **given: t.Any) -> str:
    """The error that taking the records to a state ends in."""
    with pytest.raises(LockstepError) as raised:
        scene.take(state, **given)
    text = "\n".join([str(raised.value), *(raised.value.detail or [])])
    assert SECRET not in text
    assert OTHER_SECRET not in text
    return text


def test_a_new_record_is_served_by_every_name_server(scene: Scene) -> None:
    scene.write({"names": "New.Example.TEST.", "values": ["192.0.2.7", "2001:DB8::7", "192.0.2.8"]})
    assert scene.take("present").updated
    assert scene.served("new.example.test") == ["3600 192.0.2.7", "3600 192.0.2.8"]
    assert scene.served("new.example.test", "AAAA") == ["3600 2001:db8::7"]


def test_a_second_run_changes_nothing(scene: Scene) -> None:
    scene.write({"names": "twice.example.test", "values": "192.0.2.7"})
    assert scene.take("present").updated
    assert not scene.take("present").updated
    assert not scene.take("verified").updated


def test_an_alias_is_made_and_moved(scene: Scene) -> None:
    scene.write({"names": "www.example.test", "values": "blue.example.test"}, zone=AT_ONCE)
    known = scene.take("present").entries()["shop.local"]
    assert scene.served("www.example.test", "CNAME") == ["3600 blue.example.test."]
    scene.write({"names": "www.example.test", "values": "Green.Example.Test."}, zone=AT_ONCE)
    scene.take("present", known)
    assert scene.served("www.example.test", "CNAME") == ["3600 green.example.test."]


def test_an_alias_of_ours_becomes_addresses_in_one_update(scene: Scene) -> None:
    scene.write({"names": "was.example.test", "values": "blue.example.test"}, zone=AT_ONCE)
    known = scene.take("present").entries()["shop.local"]
    scene.write({"names": "was.example.test", "values": ["192.0.2.7", "2001:db8::7"]}, zone=AT_ONCE)
    scene.take("present", known)
    assert scene.served("was.example.test", "CNAME") == []
    assert scene.served("was.example.test", "AAAA") == ["3600 2001:db8::7"]


def test_what_is_somebody_elses_is_in_the_way_of_an_alias_unless_forced(scene: Scene) -> None:
    scene.put("theirs.example.test", 300, "A", "192.0.2.1")
    scene.write({"names": "theirs.example.test", "values": "blue.example.test"}, zone=AT_ONCE)
    found = failure(scene)
    assert (
        "theirs.example.test has A records that this collection has not made (theirs.example.test. 300 IN A 192"
        in found
    )
    assert "Nothing was changed" in found
    assert scene.served("theirs.example.test") == ["300 192.0.2.1"]
    scene.take("present", force="true")
    assert scene.served("theirs.example.test", "CNAME") == ["3600 blue.example.test."]


def test_an_alias_of_somebody_else_is_not_replaced_by_an_address(scene: Scene) -> None:
    scene.put("alias.example.test", 300, "CNAME", "elsewhere.example.test.")
    scene.write({"names": "alias.example.test", "values": "192.0.2.7"})
    assert "alias.example.test has CNAME records that this collection has not made" in failure(scene)
    assert scene.served("alias.example.test", "CNAME") == ["300 elsewhere.example.test."]


def test_no_alias_beside_records_of_other_types(scene: Scene) -> None:
    scene.put("mail.example.test", 300, "MX", "10 mx.elsewhere.invalid.")
    scene.write({"names": "mail.example.test", "values": "blue.example.test"})
    assert "mail.example.test has MX records, beside which no CNAME can be" in failure(scene, force="true")


def test_an_ipv6_address_that_the_file_does_not_name_stays_and_is_warned_of(scene: Scene) -> None:
    scene.put("six.example.test", 300, "AAAA", "2001:db8::1")
    scene.write({"names": "six.example.test", "values": "192.0.2.7"})
    scene.take("present")
    assert scene.served("six.example.test", "AAAA") == ["300 2001:db8::1"]
    assert len(scene.warnings) == 1
    assert "six.example.test has AAAA 2001:db8::1 too" in scene.warnings[0]


def test_an_address_that_we_made_and_the_file_names_no_more_goes(scene: Scene) -> None:
    scene.write({"names": "both.example.test", "values": ["192.0.2.7", "2001:db8::7"]}, zone=AT_ONCE)
    known = scene.take("present").entries()["shop.local"]
    scene.write({"names": "both.example.test", "values": "192.0.2.7"}, zone=AT_ONCE)
    scene.take("present", known)
    assert scene.served("both.example.test") == ["3600 192.0.2.7"]
    assert scene.served("both.example.test", "AAAA") == []


def test_a_change_by_somebody_else_in_between_is_not_overwritten(scene: Scene) -> None:
    scene.put("race.example.test", 300, "A", "192.0.2.1")
    scene.write({"names": "race.example.test", "values": "192.0.2.7"}, zone=AT_ONCE)
    made = scene.look("present")
    scene.put("race.example.test", 300, "A", "192.0.2.66")
    with pytest.raises(LockstepError, match="was changed by somebody else while this ran"):
        made.apply()
    assert scene.served("race.example.test") == ["300 192.0.2.66"]
    assert not made.updated


def test_a_name_that_somebody_made_in_between_is_not_touched(scene: Scene) -> None:
    scene.write({"names": "born.example.test", "values": "192.0.2.7"})
    made = scene.look("present")
    scene.put("born.example.test", 300, "CNAME", "elsewhere.example.test.")
    with pytest.raises(LockstepError, match="was changed by somebody else while this ran"):
        made.apply()
    assert scene.served("born.example.test", "CNAME") == ["300 elsewhere.example.test."]


def test_what_a_wildcard_answers_is_not_taken_for_a_record_of_the_name(scene: Scene) -> None:
    scene.write({"names": "shop.wild.example.test", "values": "192.0.2.7"})
    assert scene.served("shop.wild.example.test") == ["120 192.0.2.9"]
    made = scene.take("present")
    assert scene.served("shop.wild.example.test") == ["3600 192.0.2.7"]
    assert made.entries()["shop.local"]["shop.wild.example.test"]["before"] == {}
    scene.take("absent")
    assert scene.served("shop.wild.example.test") == ["120 192.0.2.9"]
    assert not scene.take("absent").updated


def test_a_wildcard_itself_is_a_record_like_others(scene: Scene) -> None:
    scene.write({"names": "*.many.example.test", "values": "192.0.2.7"})
    scene.take("present")
    assert scene.served("any.many.example.test") == ["3600 192.0.2.7"]
    scene.take("absent")
    assert scene.served("any.many.example.test") == []


def test_only_what_the_file_says_is_removed(scene: Scene) -> None:
    scene.put("gone.example.test", 300, "A", "192.0.2.1")
    scene.write({"names": "gone.example.test", "values": "192.0.2.7"})
    served = "gone.example.test. 300 IN A 192.0.2.1"
    assert f"is something else than the deployment file says ({served}): not removed" in failure(scene, "absent")
    scene.write({"names": "gone.example.test", "values": "192.0.2.1"})
    assert scene.take("absent").updated
    assert scene.served("gone.example.test") == []
    assert not scene.take("absent").updated


def test_what_was_there_before_comes_back_with_its_ttl(scene: Scene) -> None:
    scene.put("back.example.test", 300, "A", "192.0.2.1")
    scene.write({"names": "back.example.test", "values": ["192.0.2.7", "2001:db8::7"]}, zone=AT_ONCE)
    known = scene.take("present").entries()["shop.local"]
    back = scene.take("previous", known)
    assert scene.served("back.example.test") == ["300 192.0.2.1"]
    assert scene.served("back.example.test", "AAAA") == []
    assert not scene.take("previous", back.entries()["shop.local"]).updated


def test_what_was_changed_since_is_not_put_back(scene: Scene) -> None:
    scene.write({"names": "since.example.test", "values": "192.0.2.7"})
    known = scene.take("present").entries()["shop.local"]
    scene.put("since.example.test", 300, "A", "192.0.2.66")
    assert "since.example.test was changed since by somebody else" in failure(scene, "previous", known=known)
    assert scene.served("since.example.test") == ["300 192.0.2.66"]


def test_without_a_record_of_it_nothing_is_put_back(scene: Scene) -> None:
    scene.write({"names": "unknown.example.test", "values": "192.0.2.7"})
    assert "nothing is recorded of what unknown.example.test was before" in failure(scene, "previous")


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ({"key_secret": OTHER_SECRET}, f"the secret or algorithm of the key {KEY} is another one there"),
        ({"key_name": "nobody"}, "it does not know the key nobody"),
        ({"key_algorithm": "hmac-sha512"}, f"the key {KEY}"),
        ({"server": "nowhere.invalid"}, "the name server nowhere.invalid has no address"),
    ],
)
def test_a_key_or_server_that_is_wrong_is_told_before_anything_changes(
    scene: Scene, zone: dict[str, t.Any], message: str
) -> None:
    scene.write({"names": "key.example.test", "values": "192.0.2.7"}, zone=zone)
    assert message in failure(scene)
    assert scene.served("key.example.test") == []


def test_a_key_may_have_any_algorithm_that_the_file_takes(scene: Scene) -> None:
    taken = validation.schema()["$defs"]["zone"]["properties"]["key_algorithm"]["enum"]
    assert sorted(taken) == sorted(ALGORITHMS)
    for number, algorithm in enumerate(ALGORITHMS):
        record = {"names": "signed.example.test", "values": f"192.0.2.{number + 1}"}
        scene.write(record, zone={**AT_ONCE, "key_name": algorithm, "key_algorithm": algorithm})
        assert scene.take("present").updated, algorithm
        assert scene.served("signed.example.test") == [f"3600 192.0.2.{number + 1}"]


def test_updates_without_a_key_are_refused_by_the_name_server(scene: Scene) -> None:
    nothing = {name: value for name, value in scene.zone().items() if not name.startswith("key_")}
    scene.write({"names": "bare.example.test", "values": "192.0.2.7"}, dns={"example.test": nothing})
    assert "takes no updates of example.test: refused by the name server's policy" in failure(scene)


def test_a_zone_that_takes_no_updates_is_told_so(scene: Scene) -> None:
    scene.write({"names": "www.static.test", "values": "192.0.2.7"})
    found = failure(scene)
    assert "takes no updates of static.test: refused by the name server's policy for this key or address" in found
    assert "Nothing was changed" in found


def test_a_key_that_may_not_change_this_name_is_told_so(scene: Scene) -> None:
    scene.write({"names": ["www.named.test", "api.named.test"], "values": "192.0.2.7"})
    found = failure(scene)
    assert "did not update api.named.test: refused by the name server's policy" in found
    assert "state=previous" in found
    assert scene.served("api.named.test") == []


def test_a_primary_that_does_not_run_is_told(scene: Scene) -> None:
    scene.write({"names": "port.example.test", "values": "192.0.2.7"}, zone={"port": free_port()})
    assert "can't be reached: Connection refused" in failure(scene)


def test_a_zone_the_server_does_not_have_is_told(scene: Scene) -> None:
    zones = {"sub.example.test": scene.zone(), "other.test": scene.zone()}
    scene.write({"names": "a.sub.example.test", "values": "192.0.2.7"}, dns=zones)
    assert "has no zone sub.example.test" in failure(scene)
    scene.write({"names": "a.other.test", "values": "192.0.2.7"}, dns=zones)
    assert "answered REFUSED for other.test" in failure(scene)


def test_a_name_below_a_zone_that_was_given_away_is_not_ours_to_change(scene: Scene) -> None:
    scene.write({"names": "www.given.example.test", "values": "192.0.2.7"})
    assert "is not authoritative for www.given.example.test" in failure(scene)


def test_a_name_server_that_lags_is_named_with_what_it_serves(scene: Scene) -> None:
    scene.put("lag.silent.test", 1, "A", "192.0.2.1")
    scene.write({"names": "lag.silent.test", "values": "192.0.2.7"}, zone={"timeout": 1, "ttl_before_change": 1})
    found = failure(scene)
    late = f"{ADDRESS} port {scene.secondary.port} serves nothing of lag.silent.test"
    assert f"{late}, wanted is lag.silent.test. 1 IN A 192.0.2.7" in found
    assert "nothing was put back" in found
    assert scene.primary.ask("lag.silent.test") == ["1 192.0.2.7"], "the TTL is not raised before all have the record"
    assert late in failure(scene, "verified")
    assert late in failure(scene)
    assert scene.primary.ask("lag.silent.test") == ["1 192.0.2.7"]


def test_a_name_server_that_does_not_run_is_named(scene: Scene) -> None:
    port = free_port()
    servers = [f"{ADDRESS}:{scene.primary.port}", f"{ADDRESS}:{port}"]
    scene.write({"names": "dead.example.test", "values": "192.0.2.7"}, zone={"timeout": 1, "name_servers": servers})
    assert f"{ADDRESS} port {port} can't be reached" in failure(scene)


def test_the_name_servers_that_a_zone_names_are_asked_by_ipv4_and_ipv6(scene: Scene, ipv6: None) -> None:
    zone = scene.zone(name_server_port=scene.primary.port, timeout=1)
    del zone["name_servers"]
    scene.write({"names": "ns.example.test", "values": "192.0.2.7"}, dns={"example.test": {**zone, "timeout": 20}})
    made = scene.take("present")
    assert [server.split(" ")[0] for server in made.zones["example.test"].shown_servers()] == [
        "ns1.example.test",
        "ns2.example.test",
    ]
    scene.write({"names": "ns.silent.test", "values": "192.0.2.7"}, dns={"silent.test": zone})
    assert f"ns2.silent.test (::1 port {scene.primary.port}) serves nothing of ns.silent.test" in failure(scene)
