"""The files under `experiments/` become studies and variants, checked as a whole."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from fincompress.data import DataConfig
from fincompress.evaluation.benchmark import Timing
from fincompress.evaluation.floor import NAME as FLOOR
from fincompress.models.checkpoint import Base
from fincompress.promotion import ROLES, Gate
from fincompress.runtimes import load_runtime
from fincompress.spec import UserError, nearest, parse, read_yaml, settings
from fincompress.techniques import load_technique
from fincompress.training import Budget

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
BASE = "base"  # the source of a variant that starts from the study's pretrained base


@settings
class Study:
    """What is equal for all variants, so that their comparison is fair."""

    name: str
    description: str
    data: DataConfig
    base: Base
    student_base: Base
    max_length_tokens: Annotated[int, Field(ge=8)]
    seed: Annotated[int, Field(ge=0)] = 42
    budget: Budget
    benchmark: Timing
    gate: Gate

    @property
    def model_name(self) -> str:
        return f"fincompress-{self.name}"


@dataclass(frozen=True)
class VariantSpec:
    """One technique applied to one source. `config` is the technique's `Config`."""

    name: str
    technique: str
    source: str
    runtime: str
    config: Any

    @property
    def family(self) -> str:
        return load_technique(self.technique).FAMILY

    @property
    def alias(self) -> str:
        return self.name.replace("_", "-")


@settings
class _VariantFile:
    technique: str
    source: str
    runtime: str = "torch_eager"
    config: dict[str, Any] = Field(default_factory=dict)


def load_study(name: str) -> Study:
    """Read `experiments/<name>.yaml`; raise `UserError` for an unknown name or a wrong file."""
    known = [path.stem for path in EXPERIMENTS.glob("*.yaml")]
    if name not in known:
        raise UserError(f"study: unknown study '{name}'; {nearest(name, known)}")
    path = EXPERIMENTS / f"{name}.yaml"
    data = read_yaml(path)
    if "name" in data:
        raise UserError(f"{path}: unknown key 'name'; a study is named by its file")
    return parse(Study, data | {"name": name}, str(path))


def load_variants() -> dict[str, VariantSpec]:
    """Read every variant, in an order in which each comes after its source.

    Raises `UserError` for a wrong file, an unknown source, a circle, or a reserved name.
    """
    paths = {path.stem: path for path in sorted((EXPERIMENTS / "variants").glob("*.yaml"))}
    variants = {name: _load_variant(name, path) for name, path in paths.items()}
    for name, spec in variants.items():
        if spec.source not in (BASE, *variants):
            known = [BASE, *variants]
            raise UserError(
                f"{paths[name]}: source: unknown variant '{spec.source}'; "
                f"{nearest(spec.source, known)}"
            )
    return {name: variants[name] for name in _sources_first(variants)}


def root_of(variants: Mapping[str, VariantSpec], name: str) -> str:
    """Return the variant at the top of `name`'s tree: its unpruned teacher."""
    while variants[name].source != BASE:
        name = variants[name].source
    return name


def select(variants: Mapping[str, VariantSpec], wanted: str, family: str) -> list[str]:
    """Return the variant `wanted`, or `all` of the family; raise `UserError` for another."""
    members = [name for name, spec in variants.items() if spec.family == family]
    if wanted == "all":
        return members
    if wanted not in members:
        hint = nearest(wanted, [*members, "all"])
        if wanted in variants:
            hint = f"it is built by '{variants[wanted].family}'"
        raise UserError(f"variant: '{wanted}' is no variant of '{family}'; {hint}")
    return [wanted]


def _load_variant(name: str, path: Path) -> VariantSpec:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"{path}: a variant's name must be lower case with '_', not '{name}'")
    reserved = (BASE, FLOOR, "all", "latest")  # MLflow keeps `latest` and `v<digits>` to itself
    if name.replace("_", "-") in ROLES or name in reserved or re.fullmatch(r"v\d+", name):
        raise UserError(f"{path}: '{name}' is reserved and cannot name a variant")
    file = parse(_VariantFile, read_yaml(path), str(path))
    try:
        technique = load_technique(file.technique)
        load_runtime(file.runtime)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    config = parse(technique.Config, file.config, f"{path}: config")
    return VariantSpec(name, file.technique, file.source, file.runtime, config)


def _sources_first(variants: Mapping[str, VariantSpec]) -> Iterable[str]:
    done: list[str] = []
    while len(done) < len(variants):
        ready = [n for n, s in variants.items() if n not in done and s.source in (BASE, *done)]
        if not ready:
            circle = ", ".join(sorted(set(variants) - set(done)))
            raise UserError(f"experiments/variants: these are their own sources: {circle}")
        done += ready
    return done
