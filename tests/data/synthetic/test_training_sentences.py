"""Generated sentences for training alone: plain statements that share no frame with any test."""

import re

import pytest

from fincompress import studies
from fincompress.config import read_yaml
from fincompress.data.behaviour import HALVES, SHARED_WORDS, half_texts, load_families
from fincompress.data.corpora import GENERATED
from fincompress.data.near_duplicates import resemblance
from fincompress.data.synthetic.event_frames import EVENTS
from fincompress.data.synthetic.generator import WORDS, generate_training
from fincompress.data.synthetic.press_frames import COMPARED, FIGURES, NO_NEWS, PRESS_WORDS
from fincompress.data.synthetic.word_tables import tiers

BEHAVIOUR = studies.EXPERIMENTS / "behaviour"
NAMES = ("co", "person", "city", "sector", "bank", "goods", "cur", "kind")


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, str]]:
    return generate_training(GENERATED)


@pytest.fixture(scope="module")
def tests() -> tuple[str, ...]:
    families = load_families(BEHAVIOUR)
    return tuple(text for half in HALVES for text in half_texts(families, half))


def skeletons(texts: tuple[str, ...]) -> set[str]:
    """The texts without names, figures, case and punctuation."""
    shared = read_yaml(BEHAVIOUR / SHARED_WORDS).values()
    names = {name for half in shared for words in half.values() for name in words}
    tables = [WORDS[slot] for slot in NAMES]
    tables += [tiers(words) for slot, words in PRESS_WORDS.items() if slot in NAMES]
    names |= {word for table in tables for tier in table.values() for word in tier}
    longest_first = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    found = set()
    for text in texts:
        plain = re.sub(rf"\b({longest_first})\b", "x", text)
        plain = re.sub(r"\d[\d.,]*", "0", re.sub(r"\$\w+", "x", plain))
        found.add(" ".join(re.findall(r"[a-z0%']+", plain.lower())))
    return found


def test_they_are_unique_and_of_all_labels_and_the_seed_decides_them(
    rows: list[tuple[str, str]],
) -> None:
    texts, labels = zip(*rows, strict=True)
    assert len(set(texts)) == GENERATED
    shares = {label: labels.count(label) / GENERATED for label in set(labels)}
    assert shares == pytest.approx({"negative": 0.25, "positive": 0.4, "neutral": 0.35}, abs=0.03)
    assert generate_training(200) == rows[:200]
    assert generate_training(200, seed=7) != rows[:200]


def test_the_figures_of_a_loss_go_where_its_verb_says(rows: list[tuple[str, str]]) -> None:
    told = re.compile(r"loss was (cut|up) to .*?(\d[\d.,]*) .* from .*?(\d[\d.,]*) ")
    found = [match.groups() for text, _ in rows if (match := told.search(text))]
    assert found
    for verb, now, before in found:
        smaller = float(now.replace(",", "")) < float(before.replace(",", ""))
        assert smaller == (verb == "cut"), (verb, now, before)


def test_they_are_typeset_as_the_corpus_and_as_people_write(rows: list[tuple[str, str]]) -> None:
    ends = [text[-2:] == " ." for text, _ in rows]
    assert 0.4 < sum(ends) / GENERATED < 0.6
    assert 0.1 < sum(text[-1] not in ".?" for text, _ in rows) / GENERATED < 0.3
    assert not any(" %" in text and text.endswith("%.") for text, _ in rows)


@pytest.mark.parametrize("frames", [FIGURES, COMPARED, EVENTS, NO_NEWS])
def test_only_frames_without_news_have_no_alternative(frames: str) -> None:
    directed = ("{past}", "{noun}", "{way}", "{above}", "{more}", "{better}", "{rating}", "{also}",
                "{old}", "{contra}", "{verb}", "{payout}")  # fmt: skip
    for frame in (f.strip() for line in frames.splitlines() for f in line.split(";")):
        if frame:
            good_or_bad = "[" in frame or any(slot in frame for slot in directed)
            assert good_or_bad == (frames != NO_NEWS), frame


def test_no_frame_is_one_of_the_behavioural_tests(
    rows: list[tuple[str, str]], tests: tuple[str, ...]
) -> None:
    texts = tuple(text for text, _ in rows)
    assert not skeletons(texts) & skeletons(tests)
    alike = resemblance(texts, tests)
    assert (alike >= 0.6).mean() < 0.002  # a few of four or five words, such as "Sales fell again"
    assert alike.max() < 0.75
