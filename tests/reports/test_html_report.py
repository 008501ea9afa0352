"""The HTML report: one page that loads nothing, says what to deploy, and escapes texts."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from fincompress.evaluation.results import Answers, Benchmark, Measurement
from fincompress.reports.html_report import html_report
from fincompress.studies.study import Study
from tests.support.measurements import measured

STUDY = Study.load("quickstart")
PNG = b"\x89PNG\r\n\x1a\n"
NASTY = '<script>alert("1")</script> & more'


class Page(HTMLParser):
    """What a page refers to, its tables by rows, and its script tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.scripts = 0
        self.rows = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        self.scripts += tag == "script"
        self.rows += tag == "tr"


def scored(variant: str, f1: float, ms: float, mb: float) -> Measurement:
    own = measured(variant, f1, ms, mb)
    added = {
        "test/macro_f1": f1, "test/f1_vs_teacher": f1 - 0.9, "test/f1_positive": 0.5,
        "bench/speedup_vs_teacher": 10.0 / ms, "test/mcnemar_vs_teacher": 1.0,
    }  # fmt: skip
    ends = {"test/f1_vs_teacher": (f1 - 0.92, f1 - 0.88), "test/macro_f1": (f1 - 0.02, f1 + 0.02)}
    return replace(own, version=2, metrics=own.metrics | added, intervals=own.intervals | ends)


def benchmark(**changes: object) -> Benchmark:
    rows = (scored("teacher", 0.9, 10.0, 90.0), scored("student_ptq", 0.89, 2.0, 20.0))
    facts = {"cpu": "a CPU", "commit": "abc1234"}
    whole = Benchmark(
        study="quickstart", synthetic=True, notes=("a licence",), environment=facts,
        measurements=rows,
    )  # fmt: skip
    return replace(whole, **changes)  # type: ignore[arg-type]


ANSWERS = Answers(
    texts={"val": ("v",), "test": (NASTY, "sure")},
    labels={"val": (0,), "test": (2, 0)},
    sources={"val": ("x",), "test": ("x", "x")},
    logits={
        "teacher": {"val": ((1.0, 0.0, 0.0),), "test": ((0.0, 0.0, 2.0), (9.0, 0.0, 0.0))},
        "student_ptq": {"val": ((1.0, 0.0, 0.0),), "test": ((0.0, 0.1, 0.0), (9.0, 0.0, 0.0))},
    },
)


def page_of(roles: dict[str, str], **changes: object) -> str:
    return html_report(
        STUDY, benchmark(**changes), roles, ANSWERS, {"f1_against_latency": PNG, "other": PNG},
        {"pruned": {"pruning_curve": PNG}}, ["fincompress benchmark --study quickstart"],
    )  # fmt: skip


def test_the_page_needs_nothing_but_itself() -> None:
    page = Page(page_of({"champion": "student_ptq"}))
    assert page.references and page.scripts == 1
    for reference in page.references:
        assert reference.startswith(("#", "data:image/png;base64,")), reference
    assert sum(reference.startswith("data:") for reference in page.references) == 3
    inside = set(re.findall(r'id="(\w+)"', page_of({})))
    assert {r[1:] for r in page.references if r.startswith("#")} <= inside


def test_it_recommends_the_champion_in_one_sentence() -> None:
    text = page_of({"champion": "student_ptq", "fastest": "student_ptq"})
    assert (
        "Run student_ptq (models:/fincompress-quickstart@champion): 5.0 times as fast as the "
        "teacher, 4.5 times smaller; test macro-F1 less the teacher&#39;s: -1.0 [-3.0, "
        "+1.0] points."
    ) in text
    assert "student_ptq (champion, fastest)</td>" in text and "(synthetic)" in text


@pytest.mark.parametrize(
    ("roles", "changes", "said"),
    [
        ({}, {}, "Nothing is recommended: no variant was promoted."),
        ({"champion": "old@v1"}, {}, "Run old@v1, the champion, which this benchmark has not"),
        ({"champion": "teacher"}, {"random_weights": True}, "the weights are random, and speed"),
    ],
)
def test_it_says_why_it_recommends_nothing(
    roles: dict[str, str], changes: dict[str, object], said: str
) -> None:
    assert said in page_of(roles, **changes)


def test_texts_are_shown_and_never_run() -> None:
    text = page_of({"champion": "student_ptq"})
    assert NASTY not in text and "&lt;script&gt;alert(" in text
    unsure = text[text.index("Where student_ptq is least sure") :]
    assert unsure.index("&lt;script&gt;") < unsure.index("<td>sure</td>"), "the least sure first"


def test_every_figure_and_every_table_has_its_place() -> None:
    text = page_of({"champion": "student_ptq"})
    titles = re.findall(r"<h3>([^<]*)</h3>", text)
    assert titles[:2] == ["F1 against latency", "Other"]
    assert "Pruning curve" in titles and "<summary>pruned</summary>" in text
    assert {"Quality", "Quality in detail", "Size", "Speed"} <= set(titles)
    assert "fincompress benchmark --study quickstart</pre>" in text and "abc1234" in text
