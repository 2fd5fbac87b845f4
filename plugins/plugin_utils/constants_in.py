# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The value a name has at the end of a Python file, as far as it is made of constants. Nothing is run."""

from __future__ import annotations

import ast
import typing as t


class NotConstant(ValueError):
    """A value that only running the file would tell."""


class Constants:
    """Follows assignments at the top of a file, in order.

    Understood are texts, lists and tuples of them over any number of lines, concatenation, names of constants
    assigned before, ``+=``, ``append`` and ``extend``. Where a value is assigned below an ``if`` or a ``try``, every
    list it may be is united, since what an app may need is safer to have.

    Args:
        tree: The parsed file.
        name: The name whose value is asked for.
    """

    def __init__(self, tree: ast.Module, name: str) -> None:
        self._name = name
        self._values: dict[str, t.Any] = {}
        self._failures: dict[str, NotConstant] = {}
        self._walk(tree.body, certain=True)

    def value(self) -> t.Any:
        """The value: text, list or None; None too when the name is never assigned.

        Raises:
            NotConstant: It is computed.
        """
        if self._name in self._failures:
            raise self._failures[self._name]
        return self._values.get(self._name)

    def _walk(self, statements: t.Sequence[ast.stmt], certain: bool) -> None:
        for statement in statements:
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    self._assign(target, statement.value, certain)
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                self._assign(statement.target, statement.value, certain)
            elif isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
                added = ast.BinOp(_load(statement.target), ast.Add(), statement.value)
                self._assign(statement.target, ast.copy_location(added, statement), certain)
            elif isinstance(statement, ast.Expr):
                self._call(statement.value)
            for block in ("body", "orelse", "finalbody"):
                if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    self._walk(getattr(statement, block, []), certain=False)
            for handler in getattr(statement, "handlers", []):
                self._walk(handler.body, certain=False)

    def _assign(self, target: ast.expr, value: ast.expr, certain: bool) -> None:
        if not isinstance(target, ast.Name):
            return
        self._failures.pop(target.id, None)
        try:
            found = self._evaluate(value)
        except NotConstant as error:
            self._values.pop(target.id, None)
            self._failures[target.id] = error
            return
        before = self._values.get(target.id)
        if not certain and isinstance(before, list) and isinstance(found, list):
            found = before + [one for one in found if one not in before]
        self._values[target.id] = found

    def _call(self, value: ast.expr) -> None:
        """``names.append("x")`` and ``names.extend(["x"])``."""
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
            return
        if (
            value.func.attr not in ("append", "extend")
            or not isinstance(value.func.value, ast.Name)
            or len(value.args) != 1
        ):
            return
        added = value.args[0] if value.func.attr == "extend" else ast.List([value.args[0]], ast.Load())
        whole = ast.BinOp(value.func.value, ast.Add(), ast.copy_location(added, value))
        self._assign(value.func.value, ast.copy_location(whole, value), certain=True)

    def _evaluate(self, node: ast.expr) -> t.Any:
        if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, (str, int, float))):
            return node.value
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return [one for item in node.elts for one in self._items(item)]
        if isinstance(node, ast.Name) and node.id in self._values:
            return self._values[node.id]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self._evaluate(node.left), self._evaluate(node.right)
            if type(left) is type(right) and isinstance(left, (str, list)):
                return left + right
        if isinstance(node, ast.Call) and _is_plain_copy(node):
            return self._items(ast.copy_location(ast.Starred(node.args[0], ast.Load()), node))
        raise NotConstant(f"which is computed in line {node.lineno}")

    def _items(self, node: ast.expr) -> list[t.Any]:
        if not isinstance(node, ast.Starred):
            return [self._evaluate(node)]
        inner = self._evaluate(node.value)
        if not isinstance(inner, list):
            raise NotConstant(f"which is computed in line {node.lineno}")
        return inner


def _is_plain_copy(node: ast.Call) -> bool:
    """Whether a call is ``list(…)`` or ``tuple(…)`` of one thing."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    return name in ("list", "tuple") and len(node.args) == 1 and not node.keywords


def _load(target: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Name(target.id, ast.Load()), target) if isinstance(target, ast.Name) else target
