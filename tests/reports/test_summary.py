"""How a study ends: its champion, what that gained, and commands that work as they are printed."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fincompress.cli import parse_arguments
from fincompress.evaluation.results import Benchmark, Measurement
from fincompress.reports.summary import Holder, holder, interpreter, summary
from fincompress.studies.study import Study

STUDY = Study.load("quickstart")
PYTHON = ".venv/bin/python"
MAKEFILE = Path(__file__).parents[2] / "Makefile"
CHAMPION = Holder("student_ptq", 5)


def measured(variant: str, version: int, size_mb: float, speedup: float) -> Measurement:
    return Measurement(
        variant=variant,
        version=version,
        runtime="onnx_runtime",
        metrics={
            "bench/size_mb": size_mb,
            "bench/speedup_vs_teacher": speedup,
            "test/f1_vs_teacher": -0.0042,
        },
        intervals={"test/f1_vs_teacher": (-0.015, 0.009)},
    )


def benchmark(synthetic: bool = True) -> Benchmark:
    return Benchmark(
        study=STUDY.name,
        synthetic=synthetic,
        notes=(),
        environment={},
        measurements=(measured("teacher", 1, 80.0, 1.0), measured("student_ptq", 5, 20.0, 4.68)),
    )


def ended(
    benchmark: Benchmark,
    champion: Holder | None,
    default_store: bool = True,
    data_dir: Path | None = None,
) -> str:
    return summary(
        STUDY, benchmark, champion, python=PYTHON, default_store=default_store, data_dir=data_dir
    )


def commands(text: str) -> list[list[str]]:
    """The lines that are to be pasted, as a shell splits them."""
    return [shlex.split(line) for line in text.splitlines() if line.startswith("  ")]


def test_it_names_the_champion_and_what_it_gained() -> None:
    first, second, *_ = ended(benchmark(), CHAMPION).splitlines()
    assert first == "fincompress-quickstart@champion is student_ptq, version 5 (synthetic)"
    assert second == (
        "4.7 times as fast as the teacher, 4.0 times smaller; "
        "test macro-F1 less the teacher's: -0.4 [-1.5, +0.9] points"
    )


def test_a_champion_of_an_earlier_recipe_is_found_beside_the_variant_of_today() -> None:
    both = benchmark()
    older = measured("student_ptq@v4", 4, 20.0, 5.0)
    both = replace(both, measurements=(*both.measurements, older))
    _, second, *_ = ended(both, Holder("student_ptq", 4)).splitlines()
    assert second.startswith("5.0 times as fast as the teacher, ")


@pytest.mark.parametrize(
    ("champion", "expected"),
    [
        (Holder("student_ptq", 4), "This benchmark has not measured it."),
        (Holder("pruned", 9), "This benchmark has not measured it."),
        (Holder("teacher", 1), "No faster variant passes the gate."),
    ],
)
def test_it_claims_no_gain_that_was_not_measured(champion: Holder, expected: str) -> None:
    assert ended(benchmark(), champion).splitlines()[1] == expected


def test_three_commands_come_next_and_can_be_pasted() -> None:
    ask, ui, real = commands(ended(benchmark(), CHAMPION))
    assert ask[:2] == [PYTHON, "-c"] and len(ask) == 3
    compile(ask[2], "pasted", "exec")
    assert "load_model('models:/fincompress-quickstart@champion').predict([" in ask[2]
    assert ui == ["make", "ui"]
    assert "\nui: " in MAKEFILE.read_text()
    assert real[:3] == [PYTHON, "-m", "fincompress"]
    _, options = parse_arguments(real[3:])
    assert options.study == "cpu" and Study.load("cpu")


def test_the_default_store_is_named_as_it_is_spelled_and_another_is_left_to_its_variable() -> None:
    named = "mlflow.set_tracking_uri('sqlite:///mlflow.db')"
    for default in (True, False):
        ask, *_ = commands(ended(benchmark(), CHAMPION, default_store=default))
        compile(ask[2], "pasted", "exec")
        assert (named in ask[2]) == default
    assert "\nSTORE = sqlite:///mlflow.db\n" in MAKEFILE.read_text(), "what `make ui` shows"


def test_after_real_data_it_offers_tuning_on_the_same_data() -> None:
    text = ended(benchmark(synthetic=False), CHAMPION, data_dir=Path("my data"))
    *_, tune = commands(text)
    assert tune[3] == "tune"
    _, options = parse_arguments(tune[3:])
    assert (options.study, options.data_dir) == ("quickstart", Path("my data"))


def test_without_a_champion_it_says_what_to_do() -> None:
    text = ended(benchmark(), None)
    assert text.startswith("fincompress-quickstart has no champion")
    assert "'gate' in experiments/quickstart.yaml" in text
    assert "@champion" not in text, "nothing to ask"
    first, *_ = commands(text)
    assert first == [PYTHON, "-m", "fincompress", "promote", "--study", "quickstart"]
    parse_arguments(first[3:])


def test_the_holder_is_the_version_that_the_alias_names() -> None:
    variants = {1: "teacher", 5: "student_ptq"}
    assert holder({"champion": 5, "fastest": 1}, variants) == CHAMPION
    assert holder({"fastest": 1}, variants) is None
    assert holder({"champion": 7}, variants) is None, "its version is gone"


@pytest.mark.parametrize(
    ("place", "typed"),
    [
        ("here/.venv/bin/python", ".venv/bin/python"),
        ("here/my env/bin/python", "'my env/bin/python'"),
        ("elsewhere/python", "{root}/elsewhere/python"),
    ],
)
def test_the_interpreter_is_the_one_that_runs(
    place: str, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "executable", str(tmp_path / place))
    assert interpreter() == typed.format(root=tmp_path)


def test_without_a_decision_it_points_to_none() -> None:
    text = summary(STUDY, benchmark(), None, python=PYTHON, default_store=True, decided=False)
    assert "The decision above" not in text
    assert "Nothing was decided yet; decide:\n" in text
