"""The page: one message for a taken port, and nothing kept of what visitors upload.

In processes of their own, as Gradio leaves sockets and loops to the end of a process.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source import ROOT

pytest.importorskip("gradio", reason="needs the extra demo")
START = """\
import os, sys, time
from pathlib import Path
from fincompress.config import UserError
from fincompress.demo import app
from tests.support.demo import CONTENT
folder = Path(sys.argv[1])
def load(variant): raise UserError("gone")
"""


def said_by(code: str, *arguments: object) -> list[str]:
    """Run code in a process of its own, whose temporary folder is the first argument."""
    done = subprocess.run(
        [sys.executable, "-c", START + code, *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, check=True,
        env=os.environ | {"TMPDIR": str(arguments[0])},
    )  # fmt: skip
    return done.stdout.splitlines()


def test_a_port_that_is_taken_is_one_message_and_leaves_no_folder(tmp_path: Path) -> None:
    code = """\
try: app.serve_demo(CONTENT, load, None, int(sys.argv[2]))
except UserError as error: print(error)
print([path.name for path in folder.iterdir() if path.name.startswith("fincompress")])
"""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert said_by(code, tmp_path, taken.getsockname()[1]) == [
            "port: it is taken, or may not be used; give another one with --port",
            "[]",
        ]


def test_what_visitors_upload_is_removed_after_an_hour(tmp_path: Path) -> None:
    code = """\
for name, age in (("new", 60), ("old", app.KEPT_S + 60)):
    (folder / name).mkdir()
    (folder / name / "rows.csv").write_text("text")
    os.utime(folder / name, (time.time() - age,) * 2)
app._remove_old(folder)
print([path.name for path in folder.iterdir()])
"""
    assert said_by(code, tmp_path) == ["['new']"]


def test_models_are_asked_one_at_a_time_by_two_public_calls(tmp_path: Path) -> None:
    code = """\
calls = app.build_app(CONTENT, load, None, folder).fns.values()
print(sorted(call.api_name for call in calls if call.api_visibility == "public"))
asking = [call for call in calls if call.api_name.startswith("ask")]
print({(call.concurrency_id, call.concurrency_limit) for call in asking})
"""
    assert said_by(code, tmp_path) == ["['ask', 'ask_file']", "{('models', 1)}"]
