"""Behavioural tests: sentences whose right answer is known, from frames and word lists.

Ribeiro et al. (2020), "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList". A test
family asks for one capability, in one of three kinds. Minimum functionality: each sentence has the
family's label. Invariance: two sentences that differ in what must not matter get the same label.
Direction: what is added to a sentence must not move its score in the wrong direction.

A family has two halves with other frames and other words: models may be chosen by the open half,
and are only reported on the held-out one. Nothing is trained on either.
"""

import hashlib
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import Field

from fincompress.config import UserError, nearest, parse, read_yaml, settings
from fincompress.data.labels import SENTIMENT

OPEN, HELD_OUT = HALVES = ("open", "held_out")
CASES = {OPEN: 30, HELD_OUT: 60}  # of each family
SHARED_WORDS = "words.yaml"
RESERVED = ("all", "confident_errors")  # names of metrics, beside those of families
ADDED = "added"  # the slot of a direction family that is empty in the first of two sentences

MINIMUM_FUNCTIONALITY, INVARIANCE, DIRECTION = "minimum_functionality", "invariance", "direction"
NOT_MORE_POSITIVE, NOT_MORE_NEGATIVE = "not_more_positive", "not_more_negative"
TEXT_CHANGES: dict[str, Callable[[str], str]] = {
    "lower_case": str.lower,
    "upper_case": str.upper,
    "no_full_stop": lambda text: text.removesuffix("."),
}
QUARTERS = ("first", "second", "third", "fourth")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
FIGURE_SLOTS = (
    "low", "high", "lower_share", "higher_share", "percent", "count", "small", "year", "last_year",
    "quarter", "month", "weekday", "day",
)  # fmt: skip
_SLOT = re.compile(r"{(\w+)}")

Values = Annotated[tuple[str | tuple[str, str], ...], Field(min_length=1)]
Texts = Annotated[tuple[str, ...], Field(min_length=1)]


@settings
class HalfFile:
    """One half of a family as its file has it.

    `frames`: sentences with slots, such as `{company}`. `words`: the values of each slot that is
    neither shared nor a figure; of the slot that an invariance family varies, pairs of equivalents.
    """

    frames: Texts
    words: dict[str, Values] = Field(default_factory=dict)


@settings
class FamilyFile:
    """A family as its file has it.

    `question`: the capability that it asks for. `kind`: one of the three kinds. `label`: the right
    label of every sentence (minimum functionality). `vary`: what must not matter (invariance): a
    slot, or one of `TEXT_CHANGES`. `expect`: what an addition must not do (direction). `whole`:
    whether the family has no open half, so that nothing was chosen by any of its sentences. `open`,
    `held_out`: the two halves.
    """

    question: str
    kind: Literal["minimum_functionality", "invariance", "direction"]
    label: Literal["", "negative", "neutral", "positive"] = ""
    vary: str = ""
    expect: Literal["", "not_more_positive", "not_more_negative"] = ""
    whole: bool = False
    open: HalfFile | None = None
    held_out: HalfFile


@settings
class _TestFile:
    """A file of families.

    `description`: what they have in common. `families`: by name.
    """

    description: str
    families: dict[str, FamilyFile]


@settings
class _WordsFile:
    """The values of the slots that all families share.

    `open`, `held_out`: the values of each slot in that half.
    """

    open: dict[str, Texts]
    held_out: dict[str, Texts]


@dataclass(frozen=True)
class Case:
    """One check of a family.

    `frame`: the number of its frame within the half. `texts`: the sentence; of invariance and
    direction the sentence as it is, and as it is changed.
    """

    frame: int
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """A family of behavioural tests.

    `name`: that of its key. `question`: the capability that it asks for. `kind`: `minimum_
    functionality`, `invariance` or `direction`. `label`: the index of the right label of all
    sentences, None where the kind knows none. `expect`: what an addition must not do, `not_more_
    positive` or `not_more_negative`; "" where the kind has no addition. `cases`: by half; a family
    that is held out as a whole has none in the open half.
    """

    name: str
    question: str
    kind: str
    label: int | None
    expect: str
    cases: Mapping[str, tuple[Case, ...]]


def half_texts(families: Sequence[Family], half: str) -> tuple[str, ...]:
    """Return all sentences of one half, family by family and case by case."""
    return tuple(text for family in families for case in family.cases[half] for text in case.texts)


def families_fingerprint(families: Sequence[Family], half: str) -> str:
    """Return the sha256 over all families, with their sentences in `half`: 64 hex digits.

    Of a family itself it covers name, kind, label and `expect`.
    """
    digest = hashlib.sha256()
    for family in families:
        digest.update(f"{family.name}\t{family.kind}\t{family.label}\t{family.expect}\n".encode())
        for case in family.cases[half]:
            digest.update(("\t".join(case.texts) + "\n").encode())
    return digest.hexdigest()


def load_families(folder: Path) -> tuple[Family, ...]:
    """Read all families in `folder`, sorted by file, with their cases written out.

    The same files give the same sentences in the same order. Raises `UserError` for a wrong file,
    for slots without words, words without a slot, empty sentences, and for too few different ones.
    """
    shared_path = folder / SHARED_WORDS
    shared = parse(_WordsFile, read_yaml(shared_path), str(shared_path))
    words = {OPEN: shared.open, HELD_OUT: shared.held_out}
    families: dict[str, Family] = {}
    for path in sorted(folder.glob("*.yaml")):
        if path.name == SHARED_WORDS:
            continue
        for name, file in parse(_TestFile, read_yaml(path), str(path)).families.items():
            where = f"{path}: {name}"
            if name in families:
                raise UserError(f"{where}: another file has a family of this name")
            if name in RESERVED:
                raise UserError(f"{where}: the name is that of a metric over all families")
            families[name] = _family(name, file, words, where)
    return tuple(families.values())


def _family(
    name: str, file: FamilyFile, words: Mapping[str, Mapping[str, Values]], where: str
) -> Family:
    needed = {MINIMUM_FUNCTIONALITY: "label", INVARIANCE: "vary", DIRECTION: "expect"}
    for kind, key in needed.items():
        if bool(getattr(file, key)) != (kind == file.kind):
            rule = "needs" if kind == file.kind else "has no"
            raise UserError(f"{where}: a family of {file.kind} {rule} '{key}'")
    if file.whole == (file.open is not None):
        raise UserError(f"{where}: a family has either an 'open' half or 'whole: true'")
    halves = {OPEN: file.open, HELD_OUT: file.held_out}
    cases = {
        half: tuple(_cases(name, file, half, part, words[half], f"{where}: {half}")) if part else ()
        for half, part in halves.items()
    }
    label = SENTIMENT.index(file.label) if file.label else None
    return Family(name, file.question, file.kind, label, file.expect, cases)


def _cases(
    name: str,
    file: FamilyFile,
    half: str,
    part: HalfFile,
    shared: Mapping[str, Values],
    where: str,
) -> Iterator[Case]:
    words = {**shared, **part.words}
    _check_slots(file, part, words, where)
    rng = random.Random(f"{name}/{half}")
    lists = {slot: _shuffled(values, rng) for slot, values in words.items()}
    seen: set[tuple[str, ...]] = set()
    tries = 0
    while len(seen) < CASES[half]:
        frame = tries % len(part.frames)
        tries += 1
        texts = _fill(part.frames[frame], file, lists, rng)
        if not all(text.strip() for text in texts):
            raise UserError(
                f"{where}: frame '{part.frames[frame]}': gives an empty sentence; add text to it"
            )
        if len(set(texts)) == len(texts) and texts not in seen:
            seen.add(texts)
            yield Case(frame, texts)
        elif tries > 100 * CASES[half]:
            raise UserError(
                f"{where}: gives {len(seen)} different cases, and {CASES[half]} are needed; "
                "add frames or words"
            )


def _check_slots(file: FamilyFile, part: HalfFile, words: Mapping[str, Values], where: str) -> None:
    for slot in sorted(words.keys() & set(FIGURE_SLOTS)):
        raise UserError(f"{where}: words: '{slot}' is the slot of a figure; choose another name")
    if file.vary in FIGURE_SLOTS:
        raise UserError(f"{where}: vary: must be a slot with words, not the figure '{file.vary}'")
    used = {slot for frame in part.frames for slot in _SLOT.findall(frame)}
    for slot in sorted(used - words.keys() - set(FIGURE_SLOTS)):
        raise UserError(f"{where}: no words for the slot '{slot}'; {nearest(slot, words)}")
    for slot in sorted(part.words.keys() - used):
        raise UserError(f"{where}: words: no frame has the slot '{slot}'")
    for slot, values in part.words.items():
        for value in values:
            if isinstance(value, tuple) != (slot == file.vary):
                raise UserError(
                    f"{where}: words.{slot}: must be "
                    f"{'pairs of equivalents' if slot == file.vary else 'words'}, not {value!r}"
                )
    changed = {INVARIANCE: file.vary, DIRECTION: ADDED}.get(file.kind)
    if changed and changed not in TEXT_CHANGES:
        for frame in part.frames:
            if changed not in _SLOT.findall(frame):
                raise UserError(f"{where}: frame '{frame}': must have the slot '{changed}'")


def _fill(
    frame: str,
    file: FamilyFile,
    lists: Mapping[str, Iterator[str | tuple[str, str]]],
    rng: random.Random,
) -> tuple[str, ...]:
    """The sentence of a frame; or two, where the kind compares two."""
    slots = _SLOT.findall(frame)
    figures = _figures(rng)
    values: dict[str, str | tuple[str, str]] = {
        slot: figures[slot] if slot in figures else next(lists[slot]) for slot in slots
    }
    if file.kind == DIRECTION:
        values[ADDED] = ("", cast(str, values[ADDED]))
    elif file.vary in values and isinstance(values[file.vary], str):
        values[file.vary] = (cast(str, values[file.vary]), cast(str, next(lists[file.vary])))
    sides = 1 if file.kind == MINIMUM_FUNCTIONALITY else 2
    texts = []
    for side in range(sides):
        filled = frame.format_map(
            {slot: v if isinstance(v, str) else v[side] for slot, v in values.items()}
        )
        texts.append(f"{filled[:1].upper()}{filled[1:]}")
    if file.vary in TEXT_CHANGES:
        texts[1] = TEXT_CHANGES[file.vary](texts[1])
    return tuple(texts)


def _shuffled(values: Values, rng: random.Random) -> Iterator[str | tuple[str, str]]:
    """All values in a random order, and again in another one, without end."""
    while True:
        yield from rng.sample(values, len(values))


def _figures(rng: random.Random) -> dict[str, str]:
    """Values of the slots in `FIGURE_SLOTS`."""
    digits = rng.choice([0, 1])
    low = rng.uniform(2, 400)
    high = low * rng.uniform(1.06, 1.6) + 1
    share = rng.uniform(2, 40)
    year = rng.randint(2007, 2024)
    month = rng.choice(MONTHS)
    return {
        "low": f"{low:.{digits}f}",
        "high": f"{high:.{digits}f}",
        "lower_share": f"{share:.1f}",
        "higher_share": f"{share * rng.uniform(1.05, 1.4) + 0.1:.1f}",
        "percent": str(rng.randint(2, 40)),
        "count": f"{10 * rng.randint(12, 980):,}",
        "small": str(rng.randint(2, 9)),
        "year": str(year),
        "last_year": str(year - 1),
        "quarter": rng.choice(QUARTERS),
        "month": month,
        "weekday": rng.choice(WEEKDAYS),
        "day": f"{rng.randint(1, 28)} {month}",
    }
