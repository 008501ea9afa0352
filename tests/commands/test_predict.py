"""Verb `predict`: rows in, rows with answers out, whole or not there."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import mlflow
import pandas as pd
import pytest

import fincompress
from fincompress.artifact import Artifact
from fincompress.cli import main
from fincompress.commands import predict
from fincompress.data import SENTIMENT
from fincompress.prediction.annotation import AddedValues, Annotator, Counts
from fincompress.runtimes import load_runtime
from fincompress.studies.study import Study
from tests.support.projects import refusal, tiny_sentences
from tests.support.registry import MODEL

TEXTS = [text for text, _ in tiny_sentences()[:9]]
ASK = ["predict", "--study", "tiny", "--model", "teacher"]


@pytest.fixture(autouse=True)
def labels(published: Study, base: Artifact) -> list[str]:
    """What the model says of `TEXTS`."""
    rows = load_runtime("torch_eager").load(base, 1)(TEXTS)
    return [base.manifest.labels[place] for place in rows.argmax(axis=1)]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Nine sentences, and a row without one."""
    path = tmp_path / "rows.csv"
    frame = pd.DataFrame({"id": range(10), "body": [*TEXTS, ""]})
    frame.to_csv(path, index=False)
    return path


def ask_file(rows: Path, out: Path, *more: str) -> int:
    return main([*ASK, "--input", str(rows), "--column", "body", "--output", str(out), *more])


def test_texts_of_arguments_and_of_a_pipe(
    labels: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ASK, *TEXTS[:2], "--threads", "1", "--", "--not-an-option"]) == 0
    answered = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in answered] == [*TEXTS[:2], "--not-an-option"]
    assert [row["label"] for row in answered[:2]] == labels[:2]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(["", *TEXTS])))
    assert main([*ASK, "--format", "csv"]) == 0
    said = capsys.readouterr()
    table = pd.read_csv(io.StringIO(said.out))
    assert table["label"].tolist()[1:] == labels and table["text"].isna().tolist()[0]
    assert (
        said.err == f"10 rows by {MODEL} version 1 (teacher); 1 without text, which got no answer\n"
    )


@pytest.mark.slow
def test_a_reader_that_has_had_enough_is_no_error() -> None:
    texts = "profit rose .\n" * 20000
    command = f"'{sys.executable}' -m fincompress {' '.join(ASK)} | head -c 9"
    done = subprocess.run(["bash", "-c", command], input=texts, capture_output=True, text=True)
    assert done.stdout == '{"text": ' and done.stderr == ""


def test_a_terminal_gets_a_table(
    labels: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(predict, "_default_format", lambda: predict.TABLE)
    assert main([*ASK, TEXTS[0], " ", "long " * 60]) == 0
    head, first, blank, long = capsys.readouterr().out.splitlines()
    assert head.split() == ["label", "score", "text"]
    assert first.startswith(labels[0]) and first.rstrip().endswith(TEXTS[0])
    assert blank.strip() == "no text" and len(long) <= 80


def test_a_file_is_answered_beside_its_own_columns(
    rows: Path, labels: list[str], tmp_path: Path
) -> None:
    for ending in ("csv", "jsonl", "parquet"):
        assert ask_file(rows, tmp_path / f"out.{ending}") == 0
    as_csv = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert as_csv["id"].tolist() == list(range(10))
    assert as_csv["label"].tolist() == [*labels, ""]
    assert list(as_csv)[2:] == ["label", "score", *(f"score_{name}" for name in SENTIMENT)]
    parquet = pd.read_parquet(tmp_path / "out.parquet")
    assert parquet["label"].tolist()[:9] == labels and parquet["score"].dtype == "float64"
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["label"] for line in lines] == [*labels, None]
    assert sorted(path.name for path in tmp_path.glob("out*")) == [
        "out.csv", "out.jsonl", "out.parquet"
    ]  # fmt: skip


@pytest.fixture
def interrupted_in_its_third_call(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Calls of two rows, each a part, and Ctrl-C in the third."""
    answer, calls = Annotator.answer, []

    def answer_some(
        self: Annotator, texts: Sequence[str], first: int
    ) -> tuple[list[AddedValues], Counts]:
        calls.append(len(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return answer(self, texts, first)

    monkeypatch.setattr(predict, "CALL_TEXTS", 2)
    monkeypatch.setattr(predict, "PART_SECONDS", -1)
    monkeypatch.setattr(Annotator, "answer", answer_some)
    yield
    assert calls == [2] * 6, "each row is answered once, but those that were interrupted"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.usefixtures("interrupted_in_its_third_call")
def test_what_was_interrupted_goes_on_where_it_stopped(
    rows: Path, labels: list[str], tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"out.{ending}"
    assert ask_file(rows, out) == 130
    assert not out.exists()
    assert ask_file(rows, out) == 2
    assert "4 rows of an unfinished output; go on with --resume" in capsys.readouterr().err
    assert ask_file(rows, out, "--resume") == 0
    read = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    assert read["label"].tolist()[:9] == labels and len(read) == 10
    assert not list(tmp_path.glob("*.parts"))
    assert "10 rows by" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--input", "no.csv"], "input: no.csv: no such file"),
        (["--input", "x.csv", "text"], "input: a file and texts are given; leave out one of both"),
        (["text", "--resume"], "resume: needs --input FILE, to read it again, and --output FILE"),
        (["text", "--format", "cvs"], "format: unknown format 'cvs'; did you mean 'csv'?"),
        (["text", "--output", "x.xls"], "output: 'x.xls' must end in .csv, .jsonl, .parquet"),
        (["text", "--output", "x.txt"], "output: 'x.txt' must end in .csv, .jsonl or .parquet"),
        (["text", "--output", "no/x.csv"], "output: 'no/x.csv' cannot be written: its folder is"),
        (["--input", "x.csv", "--output", "x.csv"], "output: 'x.csv' is the input, too"),
        (
            ["text", "--model", "techer"],
            "no version 'techer'; did you mean 'teacher'?; versions: 1,",
        ),
        (
            ["text", "--study", "tinny"],
            "no registered model 'fincompress-tinny'; did you mean 'tiny'",
        ),
        (["text", "--threads", "two"], "argument --threads: must be a whole number of 0 or more"),
    ],
)
def test_what_does_not_fit_is_one_message(
    more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ASK, *more]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_folder_without_a_store_is_not_given_one(tmp_path: Path) -> None:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    try:
        assert "mlflow.db: no such file; go to the project's folder" in refusal(fincompress.load)
        assert not list(tmp_path.iterdir())
    finally:
        mlflow.set_tracking_uri(before)


def test_starting_imports_neither_the_training_nor_the_search(tmp_path: Path) -> None:
    """An ONNX model needs no PyTorch, which takes seconds to import, and no plots."""
    code = (
        "import sys, fincompress.cli, fincompress.commands.predict, fincompress.runtimes.auto\n"
        "print(*{'torch', 'optuna', 'matplotlib', 'transformers', 'datasets', 'sklearn'} "
        "& sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
