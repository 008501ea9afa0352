"""Content of a demo: what it shows of a study, beside the models that it asks."""

from collections.abc import Callable
from functools import cache

from fincompress.config import settings
from fincompress.prediction.model import Model

OpenModel = Callable[[str], Model]  # by variant


@settings
class ChangedAnswer:
    """A sentence of the test split on which a variant contradicts the teacher.

    `variant`: which one. `text`: the sentence. `label`: what is right. `teacher`: the teacher's
    answer, with its score. `answer`: that of the variant, with its score.
    """

    variant: str
    text: str
    label: str
    teacher: str
    answer: str


@settings
class Content:
    """What a demo shows of a study; `content.json` of an exported demo holds it.

    `title`: its heading. `description`: what the study is. `recommendation`: which variant to run,
    and why. `notes`: licences and warnings. `variants`: those that can be asked, the teacher first.
    `chosen`: those that are asked unless others are chosen. `example`: the text that is there at
    first. `examples`: texts to click. `ladder`: rows of cells, the first of which are the columns'
    names. `measured`: where and on which commit. `changed`: on which texts compression changed the
    answer, the surest of each variant.
    """

    title: str
    description: str
    recommendation: str
    notes: tuple[str, ...]
    variants: tuple[str, ...]
    chosen: tuple[str, ...]
    example: str
    examples: tuple[str, ...]
    ladder: tuple[tuple[str, ...], ...]
    measured: str
    changed: tuple[ChangedAnswer, ...]

    def __post_init__(self) -> None:
        if unknown := set(self.chosen) - set(self.variants):
            raise ValueError(f"chosen: '{min(unknown)}' is none of the variants")


def keep_open(load: OpenModel, example: str) -> OpenModel:
    """Return what loads each variant when it is first asked for, and keeps it.

    A model answers `example` once before it is returned: an engine's first call prepares it.
    """

    @cache
    def opened(variant: str) -> Model:
        model = load(variant)
        model.predict([example])
        return model

    return opened
