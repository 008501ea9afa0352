"""Verbs `push` and `pull`: a model leaves the machine, and answers the same without a store."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
import yaml
from numpy.typing import NDArray
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

import fincompress
from fincompress.artifact import Artifact, LayerLayout, hash_files, write_artifact
from fincompress.cli import main
from fincompress.commands import predict
from fincompress.commands.push import Source, write_saved_model
from fincompress.export import export
from fincompress.models.encoder import Encoder
from fincompress.models.storage import Identity, load_encoder, save_encoder
from fincompress.models.tokenization import load_tokenizer
from fincompress.prediction.annotation import Annotator
from fincompress.prediction.model import Answer, load_artifact
from fincompress.prediction.saved_model import RECORD
from fincompress.runtimes import cascade, load_runtime
from fincompress.tracking.loading import load
from tests.support.hub_server import ANN, Hub, log_in
from tests.support.projects import tiny_sentences

TEXTS = [text for text, _ in tiny_sentences()[:9]]
pytestmark = pytest.mark.usefixtures("here")
PUSH = ["push", "--study", "tiny", "--model", "teacher"]
TITLE = "fincompress-tiny version 1 (teacher)"
NOTE = "CC BY-NC-SA 3.0: for research alone"
TORCH_FILES = {
    "README.md", "artifact/manifest.json", "artifact/model.safetensors", "artifact/tokenizer.json",
    "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip


@pytest.fixture
def without_store(tmp_path: Path) -> Any:
    """No store, of which a look would make one."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/none/mlflow.db")
    yield
    mlflow.set_tracking_uri(before)
    assert not (tmp_path / "none").exists()


def same(answers: list[Answer], others: list[Answer]) -> bool:
    """Whether these are the same labels, with the same scores."""
    pairs = zip(answers, others, strict=True)
    return all(one["scores"] == pytest.approx(other["scores"]) for one, other in pairs)


def test_a_model_goes_through_the_hub_and_answers_without_a_store(
    hub: Hub,
    here: Path,
    base: Artifact,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    expected = load("teacher", "tiny").predict(TEXTS)
    assert main([*PUSH, "--to", "ann/tea"]) == 0
    repository = hub.repositories["ann/tea"]
    assert repository.private and len(repository.commits) == 2, "the first is the hub's own"
    assert repository.files.keys() == TORCH_FILES | {".gitattributes", RECORD}
    commit = repository.head
    assert capsys.readouterr().out == (
        f"ann/tea: created\n{TITLE}: commit {commit} of ann/tea; its owner alone sees it\n"
        f"  fincompress pull ann/tea@{commit}\n"
    )
    request.getfixturevalue("without_store")
    assert main(["pull", "ann/tea"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{TITLE}: written to tea, from commit {commit} of ann/tea\n")
    size = f"{base.size_mb:.1f} MB"
    assert f"labels: negative, neutral, positive; {size}; runs on torch_eager\n" in said.out
    assert size != "0.0 MB" and said.err == ""
    assert said.out.endswith('  fincompress predict --model ./tea "A text ."\n')
    assert hash_files(here / "tea").keys() == TORCH_FILES | {RECORD}
    assert [path.name for path in here.iterdir()] == ["tea"]
    for name in ("./tea", str(here / "tea"), Path("tea")):
        assert same(fincompress.load(name).predict(TEXTS), expected)


def test_each_push_is_a_commit_and_the_earlier_ones_stay(
    hub: Hub, here: Path, base: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*PUSH, "--to", "ann/tea"]) == 0
    first = hub.repositories["ann/tea"].head
    assert main([*PUSH, "--to", "ann/tea"]) == 0
    assert f"commit {first} of ann/tea, as before; " in capsys.readouterr().out
    write_saved_model(make(here / "onnx"), source(export(base, "onnx_runtime", here / "graph")))
    assert main(["push", "--model", "./onnx", "--to", "ann/tea"]) == 0
    commits = hub.repositories["ann/tea"].commits
    assert [commit.message for commit in commits.values()] == ["initial commit", TITLE, TITLE]
    latest = hub.repositories["ann/tea"].files
    assert "onnx/model.onnx" in latest and "model.safetensors" not in latest
    assert main(["pull", "ann/tea", "--save", "new"]) == 0
    assert main(["pull", f"ann/tea@{first}", "--save", "old"]) == 0
    assert (here / "new" / "onnx" / "model.onnx").exists()
    assert hash_files(here / "old").keys() == TORCH_FILES | {RECORD}


def test_a_public_model_is_for_everybody(
    hub: Hub, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*PUSH, "--to", "ann/tea", "--private", "false"]) == 0
    assert "; everybody can see it\n" in capsys.readouterr().out
    assert not hub.repositories["ann/tea"].private
    assert main([*PUSH, "--to", "ann/tea"]) == 2
    assert "private: ann/tea is there, and everybody can see it; give --private false if" in (
        capsys.readouterr().err
    )
    log_in(monkeypatch, "")
    assert main(["pull", "ann/tea"]) == 0


def test_a_saved_model_is_the_same_folder_and_needs_no_network(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*PUSH, "--save", "new/tea"]) == 0
    out = capsys.readouterr().out
    assert out == (
        f'{TITLE}: written to new/tea\n  fincompress predict --model new/tea "A text ."\n'
    )
    record = json.loads((here / "new" / "tea" / RECORD).read_text())
    files = hash_files(here / "new" / "tea")
    assert record == {
        "format_version": 1, "study": "tiny", "variant": "teacher", "version": 1,
        "runtime": "torch_eager", "files": {n: h for n, h in files.items() if n != RECORD},
    }  # fmt: skip
    assert files.keys() == TORCH_FILES | {RECORD}
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in (here / "new" / "tea").iterdir())
    assert main(["push", "--model", "new/tea", "--save", "again"]) == 0
    assert hash_files(here / "again") == files


def test_what_its_owner_writes_into_a_card_is_pushed(
    hub: Hub, here: Path, base: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    write_saved_model(make(here / "tea"), source(base, "torch_eager"))
    card = here / "tea" / "README.md"
    text = card.read_text().replace("\ntags:", "\nlicense: mit\ntags:")
    card.write_text(text.replace("# A card", "# My card"))
    (here / "tea" / "LICENSE").write_text("mine")
    assert main(["push", "--model", "./tea", "--to", "ann/tea"]) == 0
    assert "tea/LICENSE: stays here, as it is no file of a saved model\n" in capsys.readouterr().out
    assert "LICENSE" not in hub.repositories["ann/tea"].files
    pushed = hub.repositories["ann/tea"].files["README.md"].decode()
    assert "\nlicense: mit\n" in pushed and "\n# My card\n\n## Loading it\n" in pushed
    card.write_text("---\n- a list\n---\n")
    assert main(["push", "--model", "./tea", "--save", "again"]) == 2
    assert "README.md: the metadata above '---' must be a mapping" in capsys.readouterr().err


@pytest.mark.slow
def test_other_processes_answer_with_a_model_that_they_pulled(
    hub: Hub, here: Path, tmp_path: Path
) -> None:
    expected = [answer["label"] for answer in load("teacher", "tiny").predict(TEXTS)]
    assert main([*PUSH, "--to", "ann/tea"]) == 0
    environment = os.environ | hub.environment(tmp_path / "home", ANN)
    environment |= {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/none/mlflow.db"}
    pd.DataFrame({"text": TEXTS}).to_csv(here / "rows.csv", index=False)
    ask = ["predict", "--model", "./tea", "--input", "rows.csv", "--output", "answers.csv"]
    for words in (["pull", "ann/tea"], [*ask, "--processes", "2"]):
        command = [sys.executable, "-m", "fincompress", *words]
        subprocess.run(command, env=environment, cwd=here, check=True)
    assert pd.read_csv(here / "answers.csv")["label"].tolist() == expected
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("without_store")
def test_rows_that_a_saved_model_answered_in_part_are_resumed_with_that_model(
    base: Artifact, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_saved_model(make(here / "tea"), source(base, "torch_eager"))
    pd.DataFrame({"text": TEXTS}).to_csv(here / "rows.csv", index=False)
    ask = ["predict", "--model", "./tea", "--input", "rows.csv", "--output", "answers.csv"]
    monkeypatch.setattr(predict, "CALL_TEXTS", 2)
    monkeypatch.setattr(predict, "PART_SECONDS", -1)
    answer, calls = Annotator.answer, list[int]()

    def answer_some(self: Annotator, texts: list[str], first: int) -> Any:
        calls.append(first)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return answer(self, texts, first)

    monkeypatch.setattr(Annotator, "answer", answer_some)
    assert main(ask) == 130
    other = replace(Identity.of(base), fingerprint="0" * 16)
    shutil.rmtree(here / "tea")
    another = save_encoder(here / "x", load_encoder(base), load_tokenizer(base), other, {})
    write_saved_model(make(here / "tea"), source(another, "torch_eager"))
    assert main([*ask, "--resume"]) == 2
    assert "was begun with another recipe of the model: '" in capsys.readouterr().err
    shutil.rmtree(here / "tea")
    write_saved_model(make(here / "tea"), source(base, "torch_eager"))
    assert main([*ask, "--resume"]) == 0
    assert calls == [0, 2, 4, 4, 6, 8] and len(pd.read_csv(here / "answers.csv")) == len(TEXTS)


# What a folder holds, by the form of its model.


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def source(artifact: Artifact, runtime: str = "onnx_runtime") -> Source:
    return Source(artifact, "# A card\n", "tiny", "teacher", 1, runtime)


def with_notes(artifact: Artifact, out: Path) -> Artifact:
    facts = vars(artifact.manifest) | {"notes": (NOTE,)}
    facts.pop("files")

    def write(folder: Path) -> None:
        shutil.copytree(artifact.path, folder, dirs_exist_ok=True)
        (folder / "manifest.json").unlink()

    return write_artifact(out, write, facts)


def logits_of(artifact: Artifact, runtime: str) -> NDArray[np.float32]:
    return load_runtime(runtime).load(artifact, 1)(TEXTS)


def run_code(card: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the names in each Python block of a card stand for at its end, run in its folder."""
    monkeypatch.chdir(folder)
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    results = []
    for block in blocks:
        names: dict[str, Any] = {}
        exec(block.replace("\nmodel.predict(", "\nanswers = model.predict("), names)
        results.append(names)
    return results


def probabilities(logits: Any) -> list[float]:
    return list(torch.as_tensor(np.asarray(logits)).softmax(-1)[0].tolist())


def test_transformers_reads_a_torch_model(
    base: Artifact, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(here / "saved")
    write_saved_model(folder, source(with_notes(base, here / "noted"), "torch_eager"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    inputs = tokenizer([*TEXTS, "profit " * 90], padding=True, truncation=True, return_tensors="pt")
    assert inputs["input_ids"].shape[1] == base.manifest.max_length_tokens
    with torch.inference_mode():
        logits = model(**inputs).logits[:-1].numpy()
    np.testing.assert_allclose(logits, logits_of(base, "torch_eager"), atol=1e-5)
    assert model.config.id2label == dict(enumerate(base.manifest.labels))
    assert model.config.label2id == {label: n for n, label in enumerate(base.manifest.labels)}
    card = (folder / "README.md").read_text()
    ours, theirs = run_code(card, folder, monkeypatch)
    scores = list(ours["answers"][0]["scores"].values())
    assert probabilities(theirs["logits"]) == pytest.approx(scores, abs=1e-5)


def test_the_card_has_what_the_hub_reads_and_the_notes(base: Artifact, here: Path) -> None:
    noted = with_notes(base, here / "noted")
    write_saved_model(make(here / "noted_model"), source(noted, "torch_eager"))
    write_saved_model(make(here / "model"), source(base, "torch_eager"), "ann/tea")
    card, plain = ((here / f / "README.md").read_text() for f in ("noted_model", "model"))
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata == {
        "pipeline_tag": "text-classification", "library_name": "transformers",
        "tags": ["fincompress", "torch", "pretrained"], "license": "other",
        "license_name": "terms-of-data-and-base",
    }  # fmt: skip
    assert "\n# A card\n\n## Loading it\n" in card
    assert card.endswith(f"uses the model or passes it on:\n\n* {NOTE}\n")
    assert "licen" not in plain.lower(), "nothing is made up"
    assert '    fincompress pull ann/tea\n    fincompress predict --model ./tea "Profit' in plain
    assert 'from_pretrained("ann/tea")' in plain and 'fincompress.load("./tea")' in plain


def test_onnx_runtime_reads_an_onnx_model(
    base: Artifact, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = export(base, "onnx_runtime", here / "graph")
    folder = make(here / "saved")
    write_saved_model(folder, source(artifact))
    session = onnxruntime.InferenceSession(str(folder / "onnx" / "model.onnx"))
    assert {given.name: given.type for given in session.get_inputs()} == {
        "input_ids": "tensor(int64)",
        "attention_mask": "tensor(int64)",
    }
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="np")
    logits = session.run(None, dict(inputs))[0]
    np.testing.assert_allclose(logits, logits_of(artifact, "onnx_runtime"), atol=1e-5)
    assert AutoConfig.from_pretrained(folder).id2label == dict(enumerate(base.manifest.labels))
    card = (folder / "README.md").read_text()
    ours, theirs = run_code(card, folder, monkeypatch)
    scores = list(ours["answers"][0]["scores"].values())
    assert probabilities(theirs["logits"]) == pytest.approx(scores, abs=1e-5)
    assert not list(folder.glob("*.safetensors")) and "library_name: fincompress" in card


def pruned(base: Artifact, out: Path) -> Artifact:
    layers = (LayerLayout(heads=1, ffn=48), *base.manifest.layout.layers[1:])
    with torch.random.fork_rng():
        model = Encoder(replace(base.manifest.layout, layers=layers))
    return save_encoder(out, model, load_tokenizer(base), Identity.of(base), {})


def joined(base: Artifact, out: Path) -> Artifact:
    graph = export(base, "onnx_runtime", out.with_name("graph"))

    def write(folder: Path) -> None:
        for stage in (cascade.CHEAP, cascade.SURE):
            shutil.copytree(graph.path, folder / stage)
        cascade.write_settings(folder, 0.5, 0.1)

    facts = vars(base.manifest) | {"format": cascade.FORMAT}
    facts.pop("files")
    return write_artifact(out, write, facts)


@pytest.mark.parametrize(
    ("built", "runtime", "why"),
    [
        (pruned, "torch_eager", "have 1, 2, 2 attention heads and 48, 48, 48 FFN neurons, and the"),
        (joined, "cascade", "It needs this package: it is two models and a threshold, and answers"),
        (
            lambda base, out: export(base, "openvino_runtime", out),
            "openvino_runtime",
            "It takes OpenVINO itself: `artifact/model.xml` is the graph, with the inputs `ids`",
        ),
    ],
)
def test_what_no_other_library_can_load_says_why(
    base: Artifact, here: Path, built: Callable[[Artifact, Path], Artifact], runtime: str, why: str
) -> None:
    artifact, folder = built(base, here / "artifact"), make(here / "saved")
    write_saved_model(folder, source(artifact, runtime))
    assert {path.name for path in folder.iterdir()} == {"README.md", "artifact", RECORD}
    card = (folder / "README.md").read_text()
    assert why in card and "from_pretrained" not in card
    expected = load_artifact(artifact, runtime, "", 1).predict(TEXTS)
    assert same(fincompress.load(str(folder), threads=1).predict(TEXTS), expected)


def test_a_write_that_fails_leaves_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fincompress.commands.push.write_record", full)
    assert main([*PUSH, "--save", "tea"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not list(here.iterdir())
