"""An artifact appears whole or not at all, says what it holds, and is refused once altered."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fincompress.artifact import (
    MANIFEST,
    Artifact,
    LayerLayout,
    Layout,
    complete_artifact,
    read_artifact,
    sha256,
    write_artifact,
)
from fincompress.config import UserError, dump
from fincompress.models.encoder import Encoder
from fincompress.models.storage import Identity, save_encoder
from tests.support.projects import tiny_tokenizer

LAYOUT = Layout(
    vocabulary=75,
    positions=8,
    width=4,
    head_width=2,
    layers=(LayerLayout(heads=2, ffn=6), LayerLayout(heads=1, ffn=3)),
    labels=3,
)
FACTS: dict[str, Any] = {
    "format": "torch",
    "layout": LAYOUT,
    "labels": ("negative", "neutral", "positive"),
    "max_length_tokens": 8,
    "technique": "finetune",
    "fingerprint": "0123456789abcdef",
    "parameters": 12,
    "metrics": {"val/macro_f1": 0.5},
    "notes": ("a licence",),
}
# sha256 of the three bytes "abc", from FIPS 180
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def fill(draft: Path) -> None:
    (draft / "b.bin").write_bytes(b"abc")
    (draft / "a.bin").write_bytes(b"x" * 1_000_000)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return write_artifact(tmp_path / "models" / "one", fill, FACTS)


def edit(artifact: Artifact, **changes: object) -> None:
    file = artifact.path / MANIFEST
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_an_artifact_reads_back_as_it_was_written(artifact: Artifact) -> None:
    read = read_artifact(artifact.path)
    assert read == artifact
    assert read.manifest.layout == LAYOUT
    assert read.manifest.notes == ("a licence",)


def test_the_manifest_hashes_every_other_file(artifact: Artifact) -> None:
    assert sorted(artifact.manifest.files) == ["a.bin", "b.bin"]
    assert artifact.manifest.files["b.bin"] == ABC
    assert sha256(artifact.path / "b.bin") == ABC


def test_an_amended_artifact_has_the_same_files_and_other_facts(
    artifact: Artifact, tmp_path: Path
) -> None:
    metrics = {"val/macro_f1": 0.5}
    amended = read_artifact(complete_artifact(artifact, tmp_path / "two", metrics=metrics).path)
    assert amended.manifest == replace(artifact.manifest, metrics=metrics)


def test_completing_a_draft_moves_it_without_hashing_it_again(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inode = (artifact.path / "a.bin").stat().st_ino
    with monkeypatch.context() as patch:
        patch.setattr("fincompress.artifact.sha256", lambda file: pytest.fail(f"{file} hashed"))
        completed = complete_artifact(artifact, tmp_path / "two", metrics={})
    assert not artifact.path.exists()
    assert (completed.path / "a.bin").stat().st_ino == inode
    assert completed.path.stat().st_mode & 0o777 == 0o755


def test_a_draft_of_another_file_system_is_copied_whole(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def across(source: Path, target: Path) -> None:
        if Path(source) == artifact.path:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", across)
    completed = complete_artifact(artifact, tmp_path / "two", metrics={})
    assert read_artifact(tmp_path / "two") == completed
    assert not artifact.path.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "two"]


def test_completing_a_draft_never_overwrites(artifact: Artifact, tmp_path: Path) -> None:
    draft = write_artifact(tmp_path / "draft", fill, FACTS)
    with pytest.raises(OSError, match="not empty"):
        complete_artifact(draft, artifact.path, metrics={})
    assert read_artifact(artifact.path) == artifact
    assert [path.name for path in artifact.path.parent.iterdir()] == ["one"]


def test_an_artifact_of_an_earlier_release_is_read(artifact: Artifact) -> None:
    manifest = artifact.path / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(facts | {"products": {"int8": 3, "total": 4}}))
    assert str(read_artifact(artifact.path).manifest.products) == "3 of 4"


def test_a_failing_writer_leaves_nothing(tmp_path: Path) -> None:
    def fail(draft: Path) -> None:
        fill(draft)
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_artifact(tmp_path / "models" / "one", fail, FACTS)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_manifest_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="parameters"):
        write_artifact(tmp_path / "models" / "one", fill, FACTS | {"parameters": "many"})
    assert list((tmp_path / "models").iterdir()) == []


def test_the_name_exists_only_once_all_files_do(tmp_path: Path) -> None:
    out = tmp_path / "one"
    seen: list[bool] = []

    def watch(draft: Path) -> None:
        fill(draft)
        seen.append(out.exists())

    write_artifact(out, watch, FACTS)
    assert seen == [False]
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert sorted(path.name for path in out.iterdir()) == ["a.bin", "b.bin", MANIFEST]


def test_an_artifact_is_never_overwritten(artifact: Artifact) -> None:
    with pytest.raises(OSError, match="not empty"):
        write_artifact(artifact.path, lambda draft: None, FACTS)
    assert read_artifact(artifact.path) == artifact
    assert [path.name for path in artifact.path.parent.iterdir()] == ["one"]


def test_other_users_may_read_an_artifact(artifact: Artifact) -> None:
    assert artifact.path.stat().st_mode & 0o777 == 0o755


def test_a_missing_file_is_named(artifact: Artifact) -> None:
    (artifact.path / "b.bin").unlink()
    with pytest.raises(UserError, match=r"one/b\.bin: the manifest lists this file, and it is"):
        read_artifact(artifact.path)


def test_an_altered_file_is_named_with_both_hashes(artifact: Artifact) -> None:
    (artifact.path / "b.bin").write_bytes(b"abd")
    found = sha256(artifact.path / "b.bin")
    with pytest.raises(UserError, match=rf"one/b\.bin: altered: sha256 must be {ABC}, not {found}"):
        read_artifact(artifact.path)


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), ("{", "Expecting property name")]
)
def test_a_folder_without_a_manifest_is_no_artifact(
    artifact: Artifact, content: str | None, reason: str
) -> None:
    (artifact.path / MANIFEST).unlink()
    if content is not None:
        (artifact.path / MANIFEST).write_text(content)
    with pytest.raises(UserError, match=rf"{artifact.path}: is not an artifact: .*{reason}"):
        read_artifact(artifact.path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"formt": "torch"}, "unknown key 'formt'; did you mean 'format'?"),
        ({"parameters": "12"}, "parameters: input should be a valid integer, not '12'"),
        ({"layout": {}}, "layout: missing key 'vocabulary'"),
        (
            {"layout": dump(LAYOUT) | {"layers": [{"heads": 0, "ffn": 6}]}},
            "layout.layers.0.heads: input should be greater than or equal to 1, not 0",
        ),
    ],
)
def test_a_wrong_manifest_is_refused(
    artifact: Artifact, changes: dict[str, object], message: str
) -> None:
    edit(artifact, **changes)
    with pytest.raises(UserError) as caught:
        read_artifact(artifact.path)
    assert str(caught.value) == f"{artifact.path / MANIFEST}: {message}"


def test_size_counts_all_files_in_units_of_a_million_bytes(artifact: Artifact) -> None:
    manifest = (artifact.path / MANIFEST).stat().st_size
    assert artifact.size_mb == (1_000_000 + 3 + manifest) / 1e6
    (artifact.path / "sub").mkdir()
    (artifact.path / "sub" / "more.bin").write_bytes(b"y" * 500_000)
    assert artifact.size_mb == (1_500_000 + 3 + manifest) / 1e6


def test_the_same_model_gives_the_same_bytes_in_any_folder(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path)
    model = Encoder(LAYOUT)
    identity = Identity("finetune", "0123456789abcdef", ("a", "b", "c"), 8, ("a licence",))
    folders = [tmp_path / "one", tmp_path / "deep" / "other"]
    for folder in folders:
        save_encoder(folder, model, tokenizer, identity, {"val/macro_f1": 0.5})
    one, other = ({p.name: p.read_bytes() for p in folder.iterdir()} for folder in folders)
    assert sorted(one) == [MANIFEST, "model.safetensors", "tokenizer.json"]
    assert one == other
