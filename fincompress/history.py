"""History of a study's champions: who held the alias, and from whom rollbacks took it.

It is replayed from the tags of the runs in which decisions and rollbacks are on record. One model
under two numbers is one champion: `same` has, by number, the one that stands for its model
(`registry.originals`).
"""

from collections.abc import Mapping, Sequence


def champions(
    decisions: Sequence[Mapping[str, str]], now: int, same: Mapping[int, int]
) -> list[int]:
    """Replay the tags of decisions, oldest first: the champions so far, and last the one of `now`.

    A decision that moves the alias adds a champion, a rollback takes the last away.
    """
    found: list[int] = []
    for tags in decisions:
        before, after = moved(tags, same)
        if before:
            found = _up_to(found, before)
        if "rollback" in tags:
            found = _up_to(found[:-1], after)
        elif after != before:
            found.append(after)
    return _up_to(found, same.get(now, now))


def moved(tags: Mapping[str, str], same: Mapping[int, int]) -> tuple[int, int]:
    """The champions before and after a decision, 0 for none."""
    before, after = (int(tags.get(f"champion_{end}", 0)) for end in ("before", "after"))
    return same.get(before, before), same.get(after, after)


def _up_to(found: list[int], number: int) -> list[int]:
    """The champions until `number` was the last, or with it, if it never was one."""
    if number not in found:
        return [*found, number]
    return found[: len(found) - found[::-1].index(number)]


def rolled_back(
    decisions: Sequence[Mapping[str, str]], now: int | None, same: Mapping[int, int]
) -> set[int]:
    """Replay the tags of decisions, oldest first: the versions that rollbacks took the alias from.

    One that has had it again since, as someone gave it back by hand, is not among them.
    """
    found: set[int] = set()
    for tags in decisions:
        before, after = moved(tags, same)
        found -= {before, after}
        if "rollback" in tags:
            found |= {before}
    return found - {same.get(now, now) if now else 0}
