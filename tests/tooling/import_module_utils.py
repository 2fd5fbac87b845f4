# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Imports everything below ``plugins/module_utils`` and compiles the modules, without Ansible."""

from __future__ import annotations

import importlib
import os
import py_compile

PACKAGE = "ansible_collections.lockstep.deploy"


def sources(folder: str) -> list[str]:
    """All Python files below a folder."""
    return sorted(
        os.path.join(place, name)
        for place, _folders, names in os.walk(folder)
        for name in names
        if name.endswith(".py")
    )


def main() -> None:
    for path in sources(os.path.join("plugins", "module_utils")):
        name = path[: -len(".py")].replace(os.sep, ".")
        importlib.import_module(f"{PACKAGE}.{name}".replace(".__init__", ""))
    for path in sources(os.path.join("plugins", "modules")):
        py_compile.compile(path, doraise=True)


if __name__ == "__main__":
    main()
