"""Output to pipes and to terminals of few characters, and machines of other kinds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fincompress.benchmark.process import MeasuredProcess, Subject
from fincompress.cli import VERBS
from tests.support.projects import refusal

ROOT = Path(__file__).parents[2]
CONFIGURED = "from fincompress.machine.console import configure_output as c; c();"


def start(code: str, **variables: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_what_an_encoding_does_not_have_is_escaped() -> None:
    code = f"{CONFIGURED} print('\\xe9 \\u2192 ok')"
    ascii = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    out, error = start(code, **ascii).communicate()
    assert (out, error) == (b"\\xe9 \\u2192 ok\n", b"")
    out, error = start(code, PYTHONIOENCODING="latin-1").communicate()
    assert (out, error) == ("é \\u2192 ok\n".encode("latin-1"), b"")


def test_a_line_is_in_the_pipe_as_soon_as_it_is_printed() -> None:
    code = (
        "from fincompress.machine.console import configure_output as c; c(); print('now'); input()"
    )
    process = start(code)
    assert process.stdout is not None
    assert process.stdout.readline() == b"now\n", "while the process goes on"
    assert process.poll() is None
    process.communicate(b"\n")


OTHER_MACHINE = """
import os, pkgutil, signal, sys

def import_all():
    import fincompress
    for module in pkgutil.walk_packages(fincompress.__path__, "fincompress."):
        if not module.name.endswith(("__main__", "pyfunc_model")):
            __import__(module.name)

import_all()  # and so the libraries: what these import is their own affair
for name in [name for name in sys.modules if name.partition(".")[0] == "fincompress"]:
    del sys.modules[name]
for name in ("resource", "fcntl", "pwd", "grp"):
    sys.modules[name] = None  # an import of it raises ImportError
for name in ("getloadavg", "sched_getaffinity", "sched_setaffinity", "getuid", "setsid"):
    delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGALRM"):
    delattr(signal, name)
import_all()
from fincompress.cli import VERBS, main
for verb in ("", *VERBS):
    try:
        main([*verb.split(), "--help"])
    except SystemExit as end:
        assert not end.code, verb
from fincompress.benchmark.environment import read_environment
print(read_environment(1)["load_average"])
"""


@pytest.mark.slow
def test_help_and_every_module_work_where_unix_is_missing() -> None:
    process = start(OTHER_MACHINE)
    out, error = process.communicate()
    assert process.returncode == 0, error.decode()
    assert out.count(b"usage: fincompress") == 1 + len(VERBS)
    assert float(out.split()[-1]) >= 0


def test_measuring_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    said = refusal(lambda: MeasuredProcess(Subject("teacher", 1, "torch_eager", None), 1))
    assert said.startswith("benchmark: a model is measured in a process that inherits a pipe")
    assert "WSL" in said
