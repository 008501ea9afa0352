"""Saved models: a record that is parsed strictly, and files that are those it lists."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fincompress.artifact import Artifact
from fincompress.prediction.saved_model import (
    ARTIFACT_FOLDER,
    RECORD,
    check_files,
    is_folder,
    load_saved_model,
    parse_record,
    read_saved_model,
    write_record,
)
from tests.support.projects import refusal


@pytest.fixture
def saved(base: Artifact, tmp_path: Path) -> Path:
    """A saved model that has nothing but its artifact and a text."""
    folder = tmp_path / "saved"
    (folder / ARTIFACT_FOLDER).mkdir(parents=True)
    for file in base.path.iterdir():
        (folder / ARTIFACT_FOLDER / file.name).write_bytes(file.read_bytes())
    (folder / "README.md").write_text("a card")
    write_record(folder, "tiny", "teacher", 3, "torch_eager")
    return folder


def test_a_saved_model_says_what_it_is_and_answers(saved: Path, base: Artifact) -> None:
    record, artifact = read_saved_model(saved)
    assert record.title == "fincompress-tiny version 3 (teacher)"
    assert artifact.manifest == base.manifest
    assert parse_record((saved / RECORD).read_bytes(), "here") == record
    model = load_saved_model(saved, threads=1)
    assert model.name == f"{record.title} in {saved}" and model.runtime == "torch_eager"
    assert model.predict(["profit rose ."])[0]["label"] in base.manifest.labels


def test_a_name_with_a_separator_is_a_folder(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(saved.parent)
    assert all(map(is_folder, ("./saved", ".", "..", "not/there", str(saved))))
    assert not any(map(is_folder, ("champion", "student_ptq", "12", "saved")))


def test_files_are_compared_with_the_record(saved: Path) -> None:
    record, _ = read_saved_model(saved)
    check_files(saved, record)
    (saved / "README.md").write_text("another")
    assert refusal(lambda: check_files(saved, record)).startswith(
        f"{saved}: 'README.md' was altered: its sha256 must be {record.files['README.md']}, not "
    )
    (saved / "README.md").unlink()
    assert refusal(lambda: check_files(saved, record, where="me/tea")) == (
        f"me/tea: {RECORD} lists 'README.md', which is missing"
    )
    read_saved_model(saved)  # which the card is no part of


@pytest.mark.parametrize("file", ["manifest.json", "tokenizer.json"])
def test_an_artifact_that_was_altered_is_not_loaded(saved: Path, file: str) -> None:
    path = saved / ARTIFACT_FOLDER / file
    path.write_text(path.read_text() + " ")
    said = refusal(lambda: load_saved_model(saved))
    assert f"{ARTIFACT_FOLDER}/{file}" in said and "altered: " in said


def test_what_is_no_saved_model_is_one_message(saved: Path) -> None:
    parent = saved.parent
    assert refusal(lambda: read_saved_model(parent)).startswith(
        f"model: the folder '{parent}' is no saved model: it has no {RECORD}; push --save makes one"
    )
    assert refusal(lambda: read_saved_model(parent / "savd")) == (
        f"model: there is no folder '{parent}/savd'; did you mean 'saved'?"
    )
    assert refusal(lambda: read_saved_model(Path("me/tea"))) == (
        "model: there is no folder 'me/tea'; a model of the hub is downloaded by: fincompress pull "
        "me/tea"
    )


def test_a_newer_format_is_refused_before_its_keys_are(saved: Path) -> None:
    record = json.loads((saved / RECORD).read_text()) | {"format_version": 7, "more": 1}
    (saved / RECORD).write_text(json.dumps(record))
    assert refusal(lambda: read_saved_model(saved)) == (
        f"{saved / RECORD}: format_version must be at most 1, not 7: a newer release of this "
        "package wrote it; install that one"
    )


def test_a_record_is_read_without_the_libraries_of_training() -> None:
    code = (
        "import sys, fincompress.prediction.saved_model\n"
        "print(*{'torch', 'mlflow', 'pandas', 'transformers', 'huggingface_hub'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
