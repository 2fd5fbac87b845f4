# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx's configuration is read the way nginx reads it."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Configuration, Directive, parse, quote


def words(text: str) -> list[list[str]]:
    return [[item.name, *item.args] for item in parse(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listen 80;", [["listen", "80"]]),
        ("a b;c d ;", [["a", "b"], ["c", "d"]]),
        ("a; # b;\nc;", [["a"], ["c"]]),
        ("return 200 a#b;", [["return", "200", "a#b"]]),
        ("return 200 '#b';", [["return", "200", "#b"]]),
        ("return 200 \"a; {b} 'c'\";", [["return", "200", "a; {b} 'c'"]]),
        (r'return 200 "say \"hi\"";', [["return", "200", 'say "hi"']]),
        (r"return 200 'it\'s';", [["return", "200", "it's"]]),
        (r"rewrite ^/(\d+)\.html$ /$1;", [["rewrite", r"^/(\d+)\.html$", "/$1"]]),
        (r'rewrite "^/\d{2}$" /x;', [["rewrite", r"^/\d{2}$", "/x"]]),
        (r'return 200 "tab\tend\n";', [["return", "200", "tab\tend\n"]]),
        (r"a \\b;", [["a", r"\b"]]),
        (r"a b\;c;", [["a", r"b\;c"]]),
        ("set $a ${b}c;", [["set", "$a", "${b}c"]]),
        ('a "";', [["a", ""]]),
        ("a b}c;", [["a", "b}c"]]),
        ("a b'c'd;", [["a", "b'c'd"]]),
        ("a\n  b\n  c\n;", [["a", "b", "c"]]),
        ("a\r\n;\r\n", [["a"]]),
    ],
)
def test_words_are_split_as_nginx_splits_them(text: str, expected: list[list[str]]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a {", '"}" is missing'),
        ("a; }", 'unexpected "}"'),
        ("a", "ends inside a directive"),
        ("a { b }", 'unexpected "}"'),
        (";", 'unexpected ";"'),
        ("{ a; }", 'unexpected "{"'),
        ('a "b;', "quote is not closed"),
        ('a "b"c;', 'unexpected "c" after a quoted word'),
        ("content_by_lua_block { if (", "Lua block is not closed"),
    ],
)
def test_what_nginx_refuses_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(LockstepError) as caught:
        parse(f"\n{text}", "/etc/nginx/x.conf")
    assert problem in caught.value.message
    assert caught.value.message.startswith("/etc/nginx/x.conf:2")


def test_blocks_nest_and_lines_are_counted() -> None:
    (http,) = parse("http {\n  server {\n    location ~* \\.(js|css)$ { expires 1d; }\n  }\n}\n", "/f")
    location = http.children("server")[0].children("location")[0]
    assert location.args == ("~*", r"\.(js|css)$")
    assert location.place == "/f:3"
    assert [item.name for item in http.walk()] == ["server", "location", "expires"]


def test_a_lua_block_is_one_word_whatever_it_holds() -> None:
    lua = " local t = { '}', \"}\\\"\", [[}]] } -- }\n if t then ngx.say('ok') end "
    (block, after) = parse(f"content_by_lua_block {{{lua}}}\nlisten 80;", "/f")
    assert block.args == (lua,)
    assert (after.name, after.line) == ("listen", 3)


DUMP = """\
nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
# configuration file /etc/nginx/nginx.conf:
pid /run/nginx.pid;
http {
    include mime.types;
    include /etc/nginx/conf.d/*.conf;
    include sites/?.conf;
}

# configuration file /etc/nginx/mime.types:
types { text/html html; }

# configuration file /etc/nginx/conf.d/b.conf:
server { listen 2; }

# configuration file /etc/nginx/conf.d/a.conf:
server { listen 1; }

# configuration file /etc/nginx/sites/x.conf:
server { listen 3; }

"""


def test_includes_are_put_in_their_places_in_the_order_of_their_names() -> None:
    configuration = Configuration(DUMP)
    assert [server.children("listen")[0].args for server in configuration.servers()] == [("1",), ("2",), ("3",)]
    assert configuration.servers()[0].file == "/etc/nginx/conf.d/a.conf"
    assert configuration.main_value("pid") == ("/run/nginx.pid",)
    assert configuration.main_value("user") is None


def test_a_dump_without_files_is_an_error() -> None:
    with pytest.raises(LockstepError, match="no configuration"):
        Configuration("nginx: [emerg] unknown directive")


def test_a_file_that_includes_itself_is_an_error() -> None:
    with pytest.raises(LockstepError, match="includes itself"):
        Configuration("# configuration file /n.conf:\ninclude n.conf;\n")


@hypothesis.given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_quoted_word_is_read_back_as_it_was(word: str) -> None:
    assert parse(f"a {quote(word)};") == (Directive("a", (word,), None, "", 1),)
