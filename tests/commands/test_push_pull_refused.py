"""Verbs `push` and `pull` where something is wrong: one message, and nothing is left behind."""

import errno
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest

from fincompress import hub as hub_client
from fincompress.cli import main
from fincompress.prediction.saved_model import RECORD
from tests.support.hub_server import BEN, READER, Hub, log_in

pytestmark = pytest.mark.usefixtures("here")
PUSH = ["push", "--study", "tiny", "--model", "teacher"]
TOKEN = "log in with `hf auth login`, or set HF_TOKEN to a token from your settings on the hub"
NOWHERE = "4" * 40
Files = dict[str, bytes]


@pytest.fixture
def complain(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must fail, and return its one message."""

    def run(*words: str) -> str:
        assert main(words) == 2
        said = capsys.readouterr().err
        assert said.startswith("fincompress: ") and said.count("\n") == 1
        return said.removeprefix("fincompress: ").strip()

    return run


@pytest.fixture
def pushed(hub: Hub, here: Path, capsys: pytest.CaptureFixture[str]) -> Files:
    """The files of a model that was pushed."""
    assert main([*PUSH, "--to", "ann/tea"]) == 0
    capsys.readouterr()
    return dict(hub.repositories["ann/tea"].files)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*PUSH], "push: give one of --to owner/name, a model on the hub, and --save FOLDER, a "),
        ([*PUSH, "--to", "a/b", "--save", "c"], "push: give one of --to owner/name, a model on "),
        ([*PUSH, "--save", "c", "--private", "false"], "private: is for --to; a folder has the "),
        ([*PUSH, "--to", "tea"], "to: must be owner/name, as in 'me/my-model', with the owner's "),
        ([*PUSH, "--to", "https://huggingface.co/ann/tea"], "to: must be owner/name, as in 'me/"),
        ([*PUSH[:-1], "techer", "--save", "c"], "model: 'fincompress-tiny' has no alias and no "),
        (
            ["push", "--model", "./no", "--save", "c"],
            "model: there is no folder 'no'; push --save ",
        ),
        (["push", "--model", ".", "--save", "c"], "model: the folder '.' is no saved model: it "),
        (["pull"], "hub: must be owner/name, as in 'me/my-model', with the owner's name on the "),
        (["pull", "ann/tea/2"], "hub: must be owner/name, as in 'me/my-model', with the owner's "),
        (["pull", "ann/tea@main"], "hub: a commit must be 40 hex digits, not 'main'; without one"),
        (["pull", "ann/tea@"], "hub: a commit must be 40 hex digits, not ''; without one, it is "),
    ],
)
def test_options_that_do_not_fit(
    here: Path, complain: Callable[..., str], words: list[str], message: str
) -> None:
    assert complain(*words).startswith(message)
    assert not list(here.iterdir())


@pytest.mark.parametrize("words", [[*PUSH, "--save"], ["pull", "ann/tea", "--save"]])
def test_nothing_is_overwritten(here: Path, complain: Callable[..., str], words: list[str]) -> None:
    (here / "full").mkdir()
    (here / "full" / "mine.txt").write_text("mine")
    for name in ("full", "full/mine.txt", "."):
        assert complain(*words, name) == (
            f"save: '{name}' is there already, and nothing is overwritten; give another folder"
        )
    assert (here / "full" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("token", "to", "message"),
    [
        ("", "ann/tea", f"hub: whoever writes to it needs a token; {TOKEN}"),
        ("hf_no", "ann/tea", f"ann/tea: the hub does not know the token (401); {TOKEN}"),
        (READER, "ann/tea", "ann/tea: the hub does not permit it (403): You may not create a "),
        (BEN, "ann/tea", "ann/tea: the hub does not permit it (403): You may not create a "),
        (BEN, "ann/open", "ann/open: the hub does not permit it (403): You need write access; "),
    ],
)
def test_a_push_that_is_not_permitted(
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    complain: Callable[..., str],
    token: str,
    to: str,
    message: str,
) -> None:
    hub.add("ann/open", {"README.md": b"mine"})
    log_in(monkeypatch, token)
    assert complain(*PUSH, "--to", to, "--private", "false").startswith(message)
    assert list(hub.repositories) == ["ann/open"]
    assert len(hub.repositories["ann/open"].commits) == 1


@pytest.mark.parametrize("token", ["", BEN])
def test_a_private_model_is_not_there_for_others(
    pushed: Files, monkeypatch: pytest.MonkeyPatch, complain: Callable[..., str], token: str
) -> None:
    log_in(monkeypatch, token)
    shown = "the hub shows no such model; check the name, and if it is private, "
    assert complain("pull", "ann/tea") == f"ann/tea: {shown}{TOKEN}"
    assert complain("pull", "ann/coffee") == f"ann/coffee: {shown}{TOKEN}"


@pytest.mark.parametrize("words", [[*PUSH, "--to", "ann/tea"], ["pull", "ann/tea"]])
def test_a_hub_that_does_not_answer_is_told_at_once(
    hub: Hub,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    complain: Callable[..., str],
    words: list[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    begun = time.monotonic()
    assert complain(*words).startswith(
        f"hub: http://127.0.0.1:{port} does not answer ([Errno 111] Connection refused); look to "
    )
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "unset the `HF_HUB_OFFLINE` environment variable" in complain(*words)
    assert time.monotonic() - begun < 10 and not list(here.iterdir())


def test_an_upload_that_fails_commits_nothing(
    hub: Hub, here: Path, pushed: Files, complain: Callable[..., str]
) -> None:
    hub.fail["/commit/"] = 500
    hub.repositories["ann/tea"].add("by hand", pushed | {"README.md": b"edited"})
    assert complain(*PUSH, "--to", "ann/tea") == "ann/tea: the hub's answer: it is a bad day"
    assert hub.repositories["ann/tea"].files["README.md"] == b"edited"
    assert not list(here.iterdir())


def test_a_push_that_another_overtakes_commits_nothing(
    hub: Hub, pushed: Files, complain: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = hub_client.find_model("ann/tea")
    monkeypatch.setattr(hub_client, "find_model", lambda repo: found)
    hub.repositories["ann/tea"].add("by another", pushed | {"README.md": b"theirs"})
    assert complain(*PUSH, "--to", "ann/tea") == (
        "ann/tea: somebody has changed it since this push began; push again"
    )
    assert hub.repositories["ann/tea"].files["README.md"] == b"theirs"


def test_a_full_disk_is_not_the_hubs_fault(
    pushed: Files, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fill)
    assert main(["pull", "ann/tea"]) == 1
    assert capsys.readouterr().err == "fincompress: [Errno 28] No space left on device\n"
    assert not list(here.iterdir())


def test_a_repository_of_other_files_is_left_alone(hub: Hub, complain: Callable[..., str]) -> None:
    hub.add("ann/bert", {".gitattributes": b"", "README.md": b"mine", "weights.h5": b"mine"}, True)
    assert complain(*PUSH, "--to", "ann/bert") == (
        "to: ann/bert has 'weights.h5' and is no saved model, and nothing is overwritten; give "
        "another name"
    )
    assert len(hub.repositories["ann/bert"].commits) == 1


def of_record(given: Files, **changed: object) -> Files:
    record = json.loads(given[RECORD]) | changed
    return given | {RECORD: json.dumps(record).encode()}


def with_path(files: Files, path: str) -> Files:
    hashes = json.loads(files[RECORD])["files"]
    return of_record(files, files=hashes | {path: "0" * 64})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda files: {"config.json": b"{}"}, ": is no saved model, as push makes it: it has no "),
        (lambda files: files | {RECORD: b"{"}, f": {RECORD}: must be JSON: Expecting property "),
        (lambda files: files | {RECORD: b"\xff"}, f": {RECORD}: must be JSON: 'utf-8' codec can't"),
        (lambda files: files | {RECORD: b"[]"}, f": {RECORD}: input should be an object, "),
        (
            lambda files: of_record(files, format_version=2, more="new"),
            f": {RECORD}: format_version must be at most 1, not 2: a newer release of this package",
        ),
        (lambda files: of_record(files, more=1), f": {RECORD}: unknown key 'more'; known: files, "),
        (
            lambda files: with_path(files, "../x"),
            f": {RECORD}: files: must be paths inside the folder, not '../x'",
        ),
        (lambda files: with_path(files, "/etc/x"), "files: must be paths inside the folder, not '"),
        (lambda files: with_path(files, "a/../../x"), "files: must be paths inside the folder, no"),
        (lambda files: with_path(files, ".git/x"), "files: must be paths inside the folder, not '"),
        (lambda files: with_path(files, "a\\b"), "files: must be paths inside the folder, not '"),
        (
            lambda files: of_record(files, files={}),
            f": {RECORD}: files: must list artifact/manifest.json",
        ),
        (lambda files: with_path(files, "x.md"), f": {RECORD} lists 'x.md', which is missing"),
        (
            lambda files: files | {"model.safetensors": files["model.safetensors"][:-1] + b"!"},
            ": 'model.safetensors' was altered: its sha256 must be ",
        ),
    ],
)
def test_what_is_no_whole_saved_model_is_not_pulled(
    hub: Hub,
    here: Path,
    pushed: Files,
    complain: Callable[..., str],
    spoil: Callable[[Files], Files],
    message: str,
) -> None:
    commit = hub.add("ann/tea", spoil(pushed))
    said = complain("pull", "ann/tea")
    assert said.startswith(f"ann/tea@{commit}: ") and message in said
    assert not list(here.iterdir())


def test_a_commit_that_is_not_there(pushed: Files, complain: Callable[..., str]) -> None:
    assert complain("pull", f"ann/tea@{NOWHERE}") == (
        "ann/tea: it has no such commit; without one, it is that of the main branch"
    )


def test_files_that_no_record_lists_are_not_downloaded(hub: Hub, here: Path, pushed: Files) -> None:
    hub.add("ann/tea", pushed | {"pytorch_model.bin": b"a pickle", "artifact/x.pkl": b"a pickle"})
    assert main(["pull", "ann/tea"]) == 0
    names = {path.name for path in (here / "tea").rglob("*")}
    assert names.isdisjoint({"pytorch_model.bin", "x.pkl", ".cache", ".gitattributes"})
