"""Study: what all variants have in common, read from a file under `experiments/`."""

from typing import Annotated

from pydantic import Field

from fincompress import studies
from fincompress.benchmark.protocol import Timing
from fincompress.config import UserError, nearest, parse, read_yaml, settings
from fincompress.data import DataConfig
from fincompress.models.checkpoint import Base, Shape
from fincompress.promotion import Gate
from fincompress.training.loop import Budget


@settings
class Study:
    """The settings that are equal for all variants of a study, so that their comparison is fair.

    `name`: the name of the file without its ending; the file itself does not have this key.
    `description`: what the study is for; run notes and model cards show it. `data`: the corpora
    and how they are split. `base`: the pretrained checkpoint of variants with `source: base`.
    `student_base`: the checkpoint that students start from whose shape is not the teacher's.
    `max_length_tokens`: texts are cut off after so many tokens, in training and in use. `seed`: of
    training; the split has a seed of its own. `budget`: epochs, patience and batch size of each
    training. `benchmark`: how latency and throughput are measured. `behaviour`: whether variants
    are scored on the behavioural tests in `experiments/behaviour`. `gate`: what a variant must
    pass to become champion. `peers`: whether models are measured as other people run them, too,
    which takes as long again. `peers_of`: the variant that is measured in their engines ('': the
    teacher). `published_shape`: the shape of the published study's model, which is
    measured as that study runs it, with random weights: speeds are then given over it, and not over
    the study's own teacher run so. `published`: the test macro-F1 (0 to 1) that others report, by
    variant, which tables show for comparison.
    """

    name: str
    description: str
    data: DataConfig
    base: Base
    student_base: Base
    max_length_tokens: Annotated[int, Field(ge=8)]
    seed: Annotated[int, Field(ge=0)] = 42
    budget: Budget
    benchmark: Timing
    behaviour: bool = True
    gate: Gate
    peers: bool = True
    peers_of: str = ""
    published_shape: Shape | None = None
    published: dict[str, float] = Field(default_factory=dict)

    @property
    def model_name(self) -> str:
        """The name of the study's model in the registry."""
        return f"fincompress-{self.name}"

    @classmethod
    def load(cls, name: str) -> "Study":
        """Read `experiments/<name>.yaml`; raise `UserError` for an unknown name or a wrong file."""
        known = [path.stem for path in studies.EXPERIMENTS.glob("*.yaml")]
        if name not in known:
            raise UserError(
                f"study: unknown study '{name}'; {nearest(name, known)} "
                f"(of your own data: fincompress init {name} --data FILE)"
            )
        path = studies.EXPERIMENTS / f"{name}.yaml"
        data = read_yaml(path)
        if "name" in data:
            raise UserError(
                f"{path}: unknown key 'name'; the study takes its name from the file, so remove it"
            )
        return parse(cls, data | {"name": name}, str(path))
