"""The address of MLflow's comparison, opened in a real browser: it shows exactly the runs named."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import mlflow
import pytest

from fincompress.tracking import runs
from tests.support.projects import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("chromium") is None, reason="needs a browser: apt-get install chromium"
    ),
]
PATIENCE_S = 180


def log_variants(names: list[str]) -> dict[str, str]:
    """Log a run for each variant; return their ids by name."""
    mlflow.set_experiment("fincompress")
    ids = {}
    for place, name in enumerate(names):
        with mlflow.start_run(run_name=name) as run:
            mlflow.log_metric("test/macro_f1", 0.5 + place / 100)
            ids[name] = run.info.run_id
    return ids


def serve_ui(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
    ]  # fmt: skip
    with (folder / "ui.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
        except OSError:
            time.sleep(0.5)
        else:
            return process
    process.terminate()
    raise AssertionError((folder / "ui.log").read_text())


def rendered(url: str, folder: Path) -> str:
    """The text of a page after its scripts have run."""
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--no-first-run",
        f"--user-data-dir={folder / 'browser'}", "--virtual-time-budget=30000", "--dump-dom", url,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return done.stdout


def test_the_printed_address_compares_exactly_its_runs(project: Project) -> None:
    ids = log_variants(["teacher", "student_ptq", "student_qat", "left_out"])
    compared = [ids[name] for name in ("teacher", "student_ptq", "student_qat")]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = runs.comparison_url(compared).replace(":5000", f":{port}")
    process = serve_ui(project.folder, port)
    try:
        page = rendered(url, project.folder)
    finally:
        process.terminate()
        process.wait()
    assert "Comparing 3 Runs" in page
    assert all(run_id in page for run_id in compared) and ids["left_out"] not in page
    assert "test/macro_f1" in page and "0.51" in page
