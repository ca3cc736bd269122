"""What the tests of this folder share: the long form, recorded figures, tools that must be installed."""
import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# For what the tests of both folders share.
sys.path.insert(0, str(Path(__file__).parent.parent))


@pytest.fixture(scope="session")
def soak():
    """True for the long form of every test."""
    return bool(os.environ.get("HASHLITH_SOAK"))


@pytest.fixture
def evidence(request, soak):
    """`evidence(what, number)` records a figure if HASHLITH_EVIDENCE names a folder."""
    form = "long" if soak else "short"

    def write(what, number):
        folder = os.environ.get("HASHLITH_EVIDENCE")
        if folder:
            name = f"{request.node.module.__name__}.{request.node.name}.{what}"
            path = Path(folder) / "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
            path.with_name(path.name + ".json").write_text(json.dumps({"what": what, "number": number, "form": form}))
    return write


def cannot(reason):
    """Ends a test that cannot run here: as a failure if HASHLITH_NO_SKIPS is set, else as a skip."""
    (pytest.fail if os.environ.get("HASHLITH_NO_SKIPS") else pytest.skip)(reason)


def needed(tool, package):
    """Installs the Debian package of a missing tool, if this is root."""
    if shutil.which(tool) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for words in ["update"], ["install", "-y", package]:
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(["apt-get", "-qq", *words], capture_output=True, timeout=120,
                               env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    if shutil.which(tool) is None:
        cannot(f"{tool} is missing: install it (Debian, Ubuntu: apt-get install {package})")
    return tool


@pytest.fixture(scope="session")
def own_mounts():
    """What is mounted from now on goes with the last of these processes, even if they are killed; no other process sees it."""
    if os.geteuid() != 0:
        cannot("this needs a file system of its own, and root to mount it: run as root")
    new_namespace = 0x20000  # CLONE_NEWNS
    if ctypes.CDLL(None, use_errno=True).unshare(new_namespace):
        cannot(f"mounts cannot be kept apart here: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@pytest.fixture(scope="session")
def inject(tmp_path_factory):
    """The program of inject.c."""
    program = tmp_path_factory.mktemp("inject") / "inject"
    subprocess.run([needed("cc", "gcc"), "-O1", "-Wall", "-Werror", "-o", program, Path(__file__).parent / "inject.c"], check=True)
    done = subprocess.run([program, "/dev/null", "kill", "0", "/bin/true"], capture_output=True, text=True)
    if done.returncode:
        cannot(f"a program cannot be traced here: {done.returncode} {done.stderr.strip()}")
    return program


@pytest.fixture(scope="session")
def strace():
    return needed("strace", "strace")
