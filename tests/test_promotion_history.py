"""Who was champion when, and who was rolled back: replayed from the tags of decisions."""

import pytest

from fincompress.promotion import champion_history, rolled_back_versions

UP: dict[str, str] = {}
BACK = {"rollback": "true"}
HISTORIES = [
    ("each that moves it", [(0, 1, UP), (1, 2, UP), (2, 2, UP)], 2, [1, 2]),
    ("one that came back", [(0, 1, UP), (1, 2, UP), (2, 1, UP)], 1, [1, 2, 1]),
    ("a rollback takes the last", [(0, 1, UP), (1, 2, UP), (2, 1, BACK)], 1, [1]),
    ("and the next goes further", [(1, 2, UP), (2, 3, UP), (3, 2, BACK), (2, 1, BACK)], 1, [1]),
    ("after a rollback it goes on", [(0, 1, UP), (1, 2, UP), (2, 1, BACK), (1, 3, UP)], 3, [1, 3]),
    ("by hand to an earlier one", [(0, 1, UP), (1, 2, UP), (2, 3, UP)], 2, [1, 2]),
    ("by hand to another", [(0, 1, UP), (1, 2, UP)], 7, [1, 2, 7]),
    ("by hand, and then rolled back", [(0, 1, UP), (1, 2, UP), (7, 2, BACK)], 2, [1, 2]),
    ("by hand between decisions", [(0, 1, UP), (5, 2, UP)], 2, [1, 5, 2]),
    ("taken away by hand", [(0, 1, UP), (0, 2, UP)], 2, [1, 2]),
    ("of before this was recorded", [(0, 0, UP), (0, 0, UP), (3, 4, UP)], 4, [3, 4]),
]  # fmt: skip


# What it shows, the history, the champion now, and who was rolled back.
ROLLED_BACK = [
    ("nobody", [(0, 1, UP), (1, 2, UP)], 2, set()),
    ("whom a rollback left", [(0, 1, UP), (1, 2, UP), (2, 1, BACK)], 1, {2}),
    ("all whom rollbacks left", [(1, 2, UP), (2, 3, UP), (3, 2, BACK), (2, 1, BACK)], 1, {2, 3}),
    ("still, after decisions", [(1, 2, UP), (2, 1, BACK), (1, 1, UP), (1, 4, UP)], 4, {2}),
    ("not the one who has it by hand now", [(1, 2, UP), (2, 1, BACK)], 2, set()),
    ("nor one who had it by hand", [(1, 2, UP), (2, 1, BACK), (2, 3, UP)], 3, set()),
    ("one whom it left twice", [(1, 2, UP), (2, 1, BACK), (2, 2, UP), (2, 1, BACK)], 1, {2}),
    ("with no champion now", [(1, 2, UP), (2, 1, BACK)], None, {2}),
]  # fmt: skip


def tagged(history: list[tuple[int, int, dict[str, str]]]) -> list[dict[str, str]]:
    return [
        {f"champion_{end}": str(n) for end, n in (("before", a), ("after", b)) if n} | more
        for a, b, more in history
    ]


@pytest.mark.parametrize(
    ("history", "now", "expected"), [row[1:] for row in HISTORIES], ids=[r[0] for r in HISTORIES]
)
def test_champions_are_replayed(
    history: list[tuple[int, int, dict[str, str]]], now: int, expected: list[int]
) -> None:
    assert champion_history(tagged(history), now, {}) == expected


@pytest.mark.parametrize(
    ("history", "now", "expected"),
    [row[1:] for row in ROLLED_BACK],
    ids=[row[0] for row in ROLLED_BACK],
)
def test_who_was_rolled_back_is_replayed(
    history: list[tuple[int, int, dict[str, str]]], now: int | None, expected: set[int]
) -> None:
    assert rolled_back_versions(tagged(history), now, {}) == expected


def test_one_model_under_two_numbers_is_one_champion() -> None:
    same = {1: 1, 2: 2, 3: 2, 4: 4}
    assert champion_history(tagged([(0, 1, UP), (1, 2, UP), (2, 3, UP), (3, 4, UP)]), 4, same) == [
        1,
        2,
        4,
    ]
    left = tagged([(1, 3, UP), (3, 1, BACK)])
    assert rolled_back_versions(left, 1, same) == {2} and not rolled_back_versions(left, 2, same)
