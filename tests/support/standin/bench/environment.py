# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``env/``: a virtual environment without pip, in which apps are installed as editable ones are.

Nothing is downloaded: a ``.pth`` file leads to the packages of the interpreter that runs the stand-in.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import sysconfig

_GUNICORN = """#!{python}
import sys
from gunicorn.app.wsgiapp import run
if __name__ == '__main__':
    sys.exit(run())
"""


def create(bench: pathlib.Path, python: str) -> None:
    """Make the environment, unless there is one."""
    target = bench / "env"
    if (target / "bin" / "python").exists():
        return
    subprocess.run([python, "-m", "venv", "--without-pip", str(target)], check=True)
    packages = site_packages(bench)
    (packages / "standin_dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    gunicorn = target / "bin" / "gunicorn"
    gunicorn.write_text(_GUNICORN.format(python=os.path.abspath(target / "bin" / "python")))
    gunicorn.chmod(0o755)


def site_packages(bench: pathlib.Path) -> pathlib.Path:
    return next((bench / "env" / "lib").glob("python3*/site-packages"))


def install(bench: pathlib.Path, app: str) -> None:
    """Install an app as ``pip install -e`` does: a path file and metadata with the app's absolute path."""
    source = (bench / "apps" / app).resolve()
    packages = site_packages(bench)
    uninstall(bench, app)
    version = version_of(source, app)
    (packages / f"{app}.pth").write_text(f"{source}\n")
    info = packages / f"{app}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {app}\nVersion: {version}\n")
    (info / "INSTALLER").write_text("pip\n")
    url = {"dir_info": {"editable": True}, "url": f"file://{source}"}
    (info / "direct_url.json").write_text(json.dumps(url))
    files = [f"{app}.pth", *(f"{info.name}/{one.name}" for one in info.iterdir()), f"{info.name}/RECORD"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in files))


def uninstall(bench: pathlib.Path, app: str) -> None:
    packages = site_packages(bench)
    (packages / f"{app}.pth").unlink(missing_ok=True)
    for info in packages.glob(f"{app}-*.dist-info"):
        for one in info.iterdir():
            one.unlink()
        info.rmdir()


def version_of(source: pathlib.Path, app: str) -> str:
    """What the app's package says its version is."""
    try:
        text = (source / app / "__init__.py").read_text()
    except OSError:
        return "0.0.1"
    found = re.search(r"""^__version__\s*=\s*["']([^"']+)""", text, re.MULTILINE)
    return found.group(1) if found else "0.0.1"


def default_python() -> str:
    return sys.executable
