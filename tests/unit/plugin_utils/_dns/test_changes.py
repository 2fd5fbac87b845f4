# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which changes a state takes: what is wanted against what is served and what is recorded."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns import changes
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.changes import Refusal, Wanted, decide
from ansible_collections.lockstep.deploy.plugins.plugin_utils._dns.model import (
    SWITCH,
    TTL,
    Change,
    Rrset,
    Rrsets,
    Seen,
    shown,
)

NAME = "shop.example.com"


def a(value: str, ttl: int = 3600) -> Rrset:
    return {"ttl": ttl, "values": [value]}


def wanted(rrsets: Rrsets, low: int | None = 60, **more: t.Any) -> Wanted:
    return Wanted("shop", "example.com", NAME, rrsets, low, **more)


def change(state: str, one: Wanted, seen: Seen) -> Change:
    found = decide(state, one, seen).change
    assert found is not None
    return found


OLD, NEW = a("192.0.2.1", 7200), a("192.0.2.2")


def test_what_is_as_it_is_to_be_takes_no_change() -> None:
    for state in ("present", "verified"):
        assert decide(state, wanted({"A": NEW}), Seen({"A": NEW})).change is None
    assert decide("absent", wanted({"A": NEW}), Seen()).change is None
    assert decide("lowered", wanted({"A": NEW}), Seen({"A": a("192.0.2.1", 60)})).change is None
    assert decide("lowered", wanted({"A": NEW}, None), Seen({"A": OLD})).change is None


def test_a_switch_lowers_first_and_records_what_was_before() -> None:
    found = change("present", wanted({"A": NEW}), Seen({"A": OLD}))
    assert (found.kind, found.before, found.after) == (SWITCH, {"A": OLD}, {"A": NEW})
    assert found.lower == {"A": a("192.0.2.1", 60)}
    assert found.at_first() == {"A": a("192.0.2.2", 60)}
    assert found.stale == 60
    assert found.entry == {
        "zone": "example.com",
        "made": {"A": NEW},
        "before": {"A": OLD},
        "after": {"A": NEW},
        "lowered": {"rrsets": {"A": OLD}, "at": None},
    }


def test_types_whose_values_stay_are_not_lowered() -> None:
    six = a("2001:db8::1", 7200)
    seen = Seen({"A": OLD, "AAAA": six})
    found = change("present", wanted({"A": NEW, "AAAA": {**six, "ttl": 3600}}), seen)
    assert set(found.lower) == {"A"}
    assert found.before == {"A": OLD, "AAAA": six}


def test_without_lowering_the_old_ttl_counts() -> None:
    found = change("present", wanted({"A": NEW}, None), Seen({"A": OLD}))
    assert (found.lower, found.at_first(), found.stale) == ({}, {"A": NEW}, 7200)


def test_a_new_name_is_there_at_once_with_its_ttl() -> None:
    found = change("present", wanted({"A": NEW}), Seen(negative_ttl=300))
    assert (found.before, found.lower, found.at_first(), found.stale) == ({}, {}, {"A": NEW}, 300)
    assert change("present", wanted({"A": NEW}), Seen(covered={"A": OLD}, negative_ttl=300)).stale == 7200


def test_a_ttl_goes_up_only_after_every_name_server_was_asked() -> None:
    low = a("192.0.2.2", 60)
    found = change("present", wanted({"A": NEW}), Seen({"A": low}))
    assert (found.kind, found.at_first(), found.after, found.lower) == (TTL, {"A": low}, {"A": NEW}, {})
    down = change("present", wanted({"A": low}), Seen({"A": NEW}))
    assert down.at_first() == {"A": low}


def test_a_change_of_the_ttl_keeps_what_a_return_goes_to() -> None:
    known = change("present", wanted({"A": NEW}), Seen({"A": OLD})).entry
    found = change("present", wanted({"A": NEW}, known=known), Seen({"A": a("192.0.2.2", 60)}))
    assert (found.entry["before"], found.entry["after"]) == ({"A": OLD}, {"A": NEW})


def test_the_ttl_of_before_is_the_one_before_it_was_lowered() -> None:
    lowered = change("lowered", wanted({"A": NEW}), Seen({"A": OLD}))
    assert (lowered.kind, lowered.after) == (TTL, {"A": a("192.0.2.1", 60)})
    known = {**lowered.entry, "lowered": {**lowered.entry["lowered"], "at": 1000.0}}
    found = change("present", wanted({"A": NEW}, known=known), Seen({"A": a("192.0.2.1", 60)}))
    assert found.entry["before"] == {"A": OLD}
    assert changes.still_kept(found, 1000.0 + 7000) == 200
    assert changes.still_kept(found, 1000.0 + 7300) == 0


def test_a_lowering_that_nobody_saw_the_end_of_counts_from_now() -> None:
    known = change("present", wanted({"A": NEW}), Seen({"A": OLD})).entry
    found = change("present", wanted({"A": NEW}, known=known), Seen({"A": a("192.0.2.1", 60)}))
    assert changes.still_kept(found, 5000.0) == 7200


def test_a_lowering_of_other_values_is_of_no_account() -> None:
    known = change("lowered", wanted({"A": NEW}), Seen({"A": OLD})).entry
    found = change("present", wanted({"A": NEW}, known=known), Seen({"A": a("192.0.2.3", 60)}))
    assert changes.still_kept(found, 5000.0) == 0
    assert found.entry["before"] == {"A": a("192.0.2.3", 60)}


def test_lowering_itself_is_not_waited_for() -> None:
    found = change("lowered", wanted({"A": NEW}), Seen({"A": OLD}))
    assert changes.still_kept(found, 5000.0) == 0


def test_what_is_not_ours_is_refused_and_what_is_ours_replaced() -> None:
    alias, seen = a("elsewhere.example.net", 300), Seen({"CNAME": a("elsewhere.example.net", 300)})
    with pytest.raises(Refusal, match="CNAME records that this collection has not made"):
        decide("present", wanted({"A": NEW}), seen)
    for more in ({"force": True}, {"known": {"made": {"CNAME": alias}}}):
        found = change("present", wanted({"A": NEW}, **more), seen)
        assert (found.before, found.after) == ({"CNAME": alias}, {"A": NEW})
    with pytest.raises(Refusal):
        decide("present", wanted({"A": NEW}, known={"made": {"CNAME": a("other.example.net")}}), seen)


def test_what_we_made_of_one_type_is_still_known_after_a_change_of_another() -> None:
    first = change("present", wanted({"A": OLD, "AAAA": a("2001:db8::1")}), Seen()).entry
    seen = Seen({"A": OLD, "AAAA": a("2001:db8::1")})
    second = change("present", wanted({"A": NEW, "AAAA": a("2001:db8::1")}, known=first), seen)
    assert second.entry["made"] == {"A": NEW, "AAAA": a("2001:db8::1")}
    assert second.entry["before"] == {"A": OLD}


def test_the_last_change_alone_goes_back() -> None:
    known = change("present", wanted({"A": NEW, "AAAA": a("2001:db8::1")}, None), Seen({"A": OLD})).entry
    seen = Seen({"A": NEW, "AAAA": a("2001:db8::1")})
    found = change("previous", wanted({"A": NEW}, known=known), seen)
    assert (found.before, found.after) == (seen.rrsets, {"A": OLD})
    assert (found.lower, found.interim_ttl) == ({}, None), "whoever goes back is in a hurry"
    again = decide("previous", wanted({"A": NEW}, known=found.entry), Seen({"A": OLD}))
    assert again.change is None
    assert again.goal.rrsets == {"A": OLD}


def test_lines_are_those_of_a_zone_file() -> None:
    assert shown(NAME, {"CNAME": a("b.example.com"), "A": None}) == [f"{NAME}. 3600 IN CNAME b.example.com."]
