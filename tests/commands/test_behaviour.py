"""Behavioural tests from a study's folder to its runs, cards and reports; and two files of the
user's, side by side."""

import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run

from fincompress.cli import main
from fincompress.data import SENTIMENT
from fincompress.data.behaviour import HELD_OUT, OPEN, Family, half_texts
from fincompress.evaluation.behaviour import behaviour_parts
from fincompress.reports.behaviour_tables import describe_weaknesses
from fincompress.studies.study import Study
from fincompress.tracking import registry
from tests.support.behaviour import FAMILIES, add_behaviour
from tests.support.projects import Project, open_project, tiny_sentences, write_csv
from tests.support.runs import MODEL, files, no_benchmark, runs

pytestmark = pytest.mark.slow  # two variants, twice, and a benchmark of them
VARIANTS = ("teacher", "student_vanilla_kd")
ANSWERED = (*VARIANTS, "tfidf_floor")
LABELLED = ("gain", "loss")  # families of minimum functionality
EVERYTHING = ("all", *FAMILIES)  # rows of a table by family
KEYS = {f"behaviour/{family}" for family in EVERYTHING} | {
    "behaviour/all_low", "behaviour/all_high", "behaviour/confident_errors", "behaviour_open/all",
}  # fmt: skip
OWN = {"a": tiny_sentences()[:9], "b": tiny_sentences()[9:13]}  # files of the user's
TABLES = {"behaviour.csv", "behaviour.md", "behaviour.png"}


@dataclass(frozen=True)
class Finished:
    """A project whose study is done, and its behavioural tests.

    `without`: what was said of the seeds while the study had `behaviour: false`.
    """

    project: Project
    families: tuple[Family, ...]
    without: str


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, student_checkpoint: Path
) -> Iterator[Finished]:
    """A study of two variants and two seeds, without its behavioural tests and then with them."""
    folder = tmp_path_factory.mktemp("behaviour")
    command = ["main", "--study", "tiny", "--seeds", "2"]
    own = [write_csv(folder / f"{name}.csv", rows) for name, rows in OWN.items()]
    with open_project(folder, checkpoint, student_checkpoint) as project:
        project.keep(*VARIANTS)
        (folder / "experiments" / "variants" / "teacher.yaml").write_text(
            "{technique: finetune, source: base, config: {optimizer: {learning_rate: 0.01}}}"
        )  # it learns something: an answer that never changes would hide wrong places
        families = add_behaviour(project)
        project.change(behaviour=False, peers_of="teacher", budget={"epochs": 6, "patience": 6})
        said = folder / "said.txt"
        with said.open("w") as out, redirect_stdout(out), pytest.MonkeyPatch.context() as patch:
            patch.setattr("fincompress.commands.main.run_benchmark", no_benchmark)
            assert main(command) == 2  # the table is there before it
        gate = project.study["gate"] | {"min_behaviour": 0}
        project.change(behaviour=True, gate=gate, peers=True)
        assert main([*command, "--extra-test", ",".join(own)]) == 0
        yield Finished(project, families, said.read_text())


def last(stage: str, name: str) -> Run:
    return next(run for run in runs(stage) if run.info.run_name == name)  # the newest is first


def read(run: Run, file: str) -> Any:
    return mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/{file}")


def share(finished: Finished, answers: Any, family: str, variant: str) -> float:
    """The share of a family's held-out sentences that get its label, by where their texts are."""
    texts = half_texts(finished.families, HELD_OUT)
    (own,) = (each for each in finished.families if each.name == family)
    places = [texts.index(text) for text in half_texts([own], HELD_OUT)]
    classes = np.array(answers["logits"][variant]["behaviour"])[places].argmax(axis=1)
    return float((classes == own.label).mean())


def test_a_benchmark_scores_versions_and_the_floor_and_no_peers(finished: Finished) -> None:
    parent = last("benchmark", "benchmark")
    answers, results = read(parent, "answers.json"), read(parent, "benchmark_results.json")
    asked = {part: len(texts) for part, texts in behaviour_parts(finished.families).items()}
    names = [m["variant"] for m in results["measurements"]]
    assert set(ANSWERED) < set(names), "there are peers"
    for name in names:
        metrics, logits = last("benchmark", name).data.metrics, answers["logits"][name]
        found = {key for key in metrics if key.startswith("behaviour")}
        assert found == (KEYS if name in ANSWERED else set()), name
        answered = {part: len(rows) for part, rows in logits.items() if part in asked}
        assert answered == (asked if name in ANSWERED else {}), name
        for family in LABELLED if answered else ():
            assert metrics[f"behaviour/{family}"] == share(finished, answers, family, name)
    assert [each["family"] for each in results["behaviour"]] == list(EVERYTHING)
    assert all(list(each["shares"]) == list(ANSWERED) for each in results["behaviour"])
    assert results["environment"]["behavioural_tests"]


def test_its_run_has_tables_a_plot_and_the_failures_of_the_open_half(finished: Finished) -> None:
    parent = last("benchmark", "benchmark")
    assert TABLES | {"behaviour.json", "behaviour_failures.csv"} <= files(parent)
    failures = pd.read_csv(
        mlflow.artifacts.download_artifacts(f"runs:/{parent.info.run_id}/behaviour_failures.csv"),
        keep_default_na=False,
    )
    assert list(failures) == [
        "variant", "family", "question", "text", "changed", "label", "answers", "scores",
    ]  # fmt: skip
    shown = {*failures["text"], *failures["changed"]} - {""}
    assert shown <= {*half_texts(finished.families, OPEN)}
    logits = read(parent, "answers.json")["logits"]
    listed = failures.value_counts(["variant", "family"])
    gain, _, same = (len(family.cases[OPEN]) for family in finished.families)
    for name in ANSWERED:
        classes = np.array(logits[name]["behaviour_open"]).argmax(axis=1)
        first, second = classes[gain:].reshape(same, 2).T
        wrong = {
            "gain": np.sum(classes[:gain] != SENTIMENT.index("positive")),
            "same_subject": np.sum(first != second),
        }
        for family, count in wrong.items():
            assert listed.get((name, family), 0) == min(count, 5)


def test_the_gate_asks_for_a_share_of_the_open_half(finished: Finished) -> None:
    checks = read(last("promote", "promote"), "decision.json")["checks"]
    asked = {c["variant"]: c["value"] for c in checks if c["rule"] == "behavioural tests"}
    assert asked == {
        name: last("benchmark", name).data.metrics["behaviour_open/all"] for name in VARIANTS
    }


def test_the_cards_say_what_passes_and_name_both_files(finished: Finished) -> None:
    results = read(last("benchmark", "benchmark"), "benchmark_results.json")
    measured = {m["variant"]: m for m in results["measurements"]}
    for version in mlflow.MlflowClient().search_model_versions(f"name = '{MODEL}'"):
        own = measured[version.tags["variant"]]
        card, metrics = version.description, own["metrics"]
        low, high = own["intervals"]["behaviour/all"]
        assert (
            "* of the behavioural tests' held-out half it passes "
            f"{metrics['behaviour/all']:.1%} [{low:.1%}, {high:.1%}]; "
            f"{metrics['behaviour/confident_errors']:.0f} sentences of it, and "
        ) in card
        assert describe_weaknesses(metrics) in card
        (line,) = (x for x in card.splitlines() if x.startswith("* macro-F1 on a.csv (sha256 "))
        assert "; b.csv (sha256 " in line


def test_two_files_are_scored_as_one_and_described_one_by_one(finished: Finished) -> None:
    parent = last("benchmark", "benchmark")
    answers, results = read(parent, "answers.json"), read(parent, "benchmark_results.json")
    assert answers["texts"]["extra"] == [text for rows in OWN.values() for text, _ in rows]
    assert answers["sources"]["extra"] == [name for name, rows in OWN.items() for _ in rows]
    keys = {"extra/macro_f1", "extra/macro_f1/a", "extra/macro_f1/b"}
    scored = [m["variant"] for m in results["measurements"] if keys <= set(m["metrics"])]
    assert sorted(scored) == sorted(ANSWERED), "and no peer"
    assert re.fullmatch(
        r"a.csv \(sha256 \w{16}\): 3 negative, 3 neutral, 3 positive; \d+ near duplicates of .*; "
        r"b.csv \(sha256 \w{16}\): 1 negative, 0 neutral, 3 positive; \d+ near duplicates of .*",
        results["environment"]["extra_test"],
    )


def test_a_table_over_seeds_has_the_mean_of_what_passes(finished: Finished) -> None:
    run = last("seeds", "seeds table")
    table = read(run, "seeds.json")
    assert {"seeds_behaviour.csv", "seeds_behaviour.md"} <= files(run)
    each = [read(run, f"answers_seed_{seed}.json") for seed in table["seeds"]]
    results = {result["family"]: result for result in table["behaviour"]}
    assert list(results) == list(EVERYTHING)
    for name, row in zip(ANSWERED, table["rows"], strict=True):
        assert KEYS - {"behaviour/all_low", "behaviour/all_high"} <= set(row["metrics"])
        for family in LABELLED:
            shares = [share(finished, answers, family, name) for answers in each]
            assert results[family]["shares"][name] == pytest.approx(sum(shares) / 2)
            assert row["metrics"][f"behaviour/{family}"] == results[family]["shares"][name]
        assert set(last("seeds", name).data.metrics) >= KEYS


def test_a_study_may_do_without_them(finished: Finished) -> None:
    heading = "Study `tiny`: seeds, over 42, 43. "
    assert heading in finished.without and "behavioural tests" not in finished.without
    _, first = (run for run in runs("seeds") if run.info.run_name == "seeds table")
    assert "seeds.json" in files(first) and "seeds_behaviour.csv" not in files(first)
    assert read(first, "seeds.json")["behaviour"] == []
    assert set(read(first, "answers_seed_42.json")["logits"]["teacher"]) == {"val", "test"}
    assert len(runs("build")) == 4, "none is built again for the tests"


def test_report_commits_tables_plot_limits_and_page(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished.project.folder
    (folder / "docs").mkdir()
    (folder / "README.md").write_text("<!-- results:tiny -->\n<!-- /results -->\n")
    committed = folder / "experiments" / "results"
    assert main(["report", "--study", "tiny", "--commit-to", str(committed)]) == 0
    shown = capsys.readouterr().out
    kept = {file.name for file in (committed / "tiny").iterdir()}
    assert TABLES | {"seeds_behaviour.csv", "seeds_behaviour.md"} <= kept
    aliases, names = registry.aliases(Study.load("tiny")), registry.variants(Study.load("tiny"))
    champion = names[aliases["champion"]]
    assert f"Limits of {champion}, the champion: " in shown
    page = (folder / "docs" / "results.md").read_text()
    _, section = page.split("### Behavioural tests: what compression loses\n")
    whole, over_seeds = section.split("### Several seeds\n")
    assert "](../experiments/results/tiny/behaviour.png)" in whole
    for text, file in ((whole, "behaviour.md"), (over_seeds, "seeds_behaviour.md")):
        table = (committed / "tiny" / file).read_text()
        assert table in text
        rows = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")]
        assert rows == [f"| {name}" for name in ("family", *EVERYTHING)]
    frame = pd.read_csv(committed / "tiny" / "behaviour.csv")
    assert len(frame) == len(EVERYTHING) * len(ANSWERED)
    results = json.loads((committed / "tiny" / "benchmark_results.json").read_text())
    assert [each["family"] for each in results["behaviour"]] == list(EVERYTHING)
