"""The files under `experiments/` become studies and variants, checked as a whole."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from fincompress import studies
from fincompress.benchmark.tfidf import FLOOR_NAME
from fincompress.config import UserError, nearest, parse, read_yaml, settings
from fincompress.models.storage import TORCH_FORMAT
from fincompress.promotion import ROLES
from fincompress.runtimes import load_runtime
from fincompress.studies.search_space import Scalar, Space, read_space, with_values
from fincompress.techniques import load_technique
from fincompress.training.loop import Budget

ALL = "all"  # of what can be named
BASE = "base"  # the source of a variant that starts from the study's pretrained base


@settings
class Curve:
    """What an ablation's technique recorded, as a line in a figure of several ablations.

    `figure`: the name of the figure, in which all curves of that name are drawn. `file`: the JSON
    file of the build's run whose `points` are drawn. `x`, `y`: their keys in each point.
    """

    figure: str
    file: str
    x: str
    y: str


@dataclass(frozen=True)
class VariantSpec:
    """One technique applied to one source, for one runtime.

    `config` is the technique's `Config`, `runtime` a runtime's name. `search` is what tuning
    varies, `as_written` what the file says. An ablation also has the variant `beside` which it
    stands, the `question` it answers, and maybe `epochs` other than the study's, a `curve` that is
    drawn with those of others, and `timed_epoch`: values of its config with which an epoch of it is
    timed beside one of `beside`.
    """

    name: str
    technique: str
    source: str
    runtime: str
    config: Any
    search: Space
    as_written: Mapping[str, Any]
    beside: str = ""
    question: str = ""
    epochs: int | None = None
    curve: Curve | None = None
    timed_epoch: Mapping[str, Scalar] | None = None

    def budget(self, study: Budget) -> Budget:
        """The study's, but for an ablation that has epochs of its own."""
        return replace(study, epochs=self.epochs) if self.epochs else study

    @property
    def family(self) -> str:
        return load_technique(self.technique).FAMILY

    @property
    def format(self) -> str:
        return load_runtime(self.runtime).FORMAT

    @property
    def alias(self) -> str:
        return self.name.replace("_", "-")

    def tuned(self, values: Mapping[str, Scalar]) -> "VariantSpec":
        """The variant with other values at these (dotted) keys of its config."""
        return replace(self, config=with_values(self.config, values, f"{self.name}: config"))

    def yaml(self, values: Mapping[str, Scalar]) -> str:
        """The variant's file with other values at these (dotted) keys of its config."""
        config = deepcopy(dict(self.as_written.get("config", {})))
        for name, value in values.items():
            *path, last = name.split(".")
            here = config
            for part in path:
                here = here.setdefault(part, {})
            here[last] = value
        order = ("technique", "source", "runtime", "config", "search")
        data = {**self.as_written, "config": config}
        return yaml.safe_dump({k: data[k] for k in order if k in data}, sort_keys=False,
                              default_flow_style=None)  # fmt: skip


@settings
class _File:
    technique: str
    source: str
    runtime: str = "torch_eager"
    config: dict[str, Any] = Field(default_factory=dict)


@settings
class _VariantFile(_File):
    search: dict[str, Any] = Field(default_factory=dict)


@settings
class _AblationFile(_File):
    beside: str
    question: str
    epochs: Annotated[int, Field(ge=1)] | None = None
    curve: Curve | None = None
    timed_epoch: dict[str, Scalar] | None = None


def load_variants() -> dict[str, VariantSpec]:
    """Read every variant, each followed by those made from it.

    Raises `UserError` for a wrong file, an unknown source, a circle, a reserved name, or a
    runtime that cannot run what the technique writes.
    """
    return _load_all("variants", _VariantFile, {})


def load_ablations(variants: Mapping[str, VariantSpec]) -> dict[str, VariantSpec]:
    """Read every ablation: a variant that is no part of the study, `beside` another.

    Raises `UserError` as `load_variants` does, and for a name that is a variant's.
    """
    found = _load_all("ablations", _AblationFile, variants)
    for name, spec in found.items():
        place = studies.EXPERIMENTS / "ablations" / f"{name}.yaml"
        if name in variants:
            raise UserError(f"{place}: '{name}' is a variant's name")
        if spec.beside not in (known := {*variants, *found} - {name}):
            hint = nearest(spec.beside, known)
            raise UserError(f"{place}: beside: unknown variant '{spec.beside}'; {hint}")
    return found


def _load_all(
    folder: str, file: type[_File], others: Mapping[str, VariantSpec]
) -> dict[str, VariantSpec]:
    """The variants of a folder, made from one another or from `others`."""
    paths = {path.stem: path for path in sorted((studies.EXPERIMENTS / folder).glob("*.yaml"))}
    own = {name: _load_variant(name, path, file) for name, path in paths.items()}
    variants = {**others, **own}
    for name, spec in own.items():
        if spec.source not in (BASE, *variants):
            known = [BASE, *variants]
            raise UserError(
                f"{paths[name]}: source: unknown variant '{spec.source}'; "
                f"{nearest(spec.source, known)}"
            )
        if spec.source != BASE and (found := variants[spec.source].format) != TORCH_FORMAT:
            raise UserError(
                f"{paths[name]}: source: must be of the format '{TORCH_FORMAT}', and "
                f"'{spec.source}' is of '{found}'"
            )
    return {name: own[name] for name in _sources_first(variants) if name in own}


def root_of(variants: Mapping[str, VariantSpec], name: str) -> str:
    """Return the variant at the top of `name`'s tree: its unpruned teacher."""
    while variants[name].source != BASE:
        name = variants[name].source
    return name


def siblings(variants: Mapping[str, VariantSpec]) -> list[tuple[str, str]]:
    """Return the pairs of one source and family, the later first: which of two ways is better?"""
    return [
        (b.name, a.name)
        for a, b in combinations(variants.values(), 2)
        if (a.source, a.family) == (b.source, b.family)
    ]


def select(variants: Mapping[str, VariantSpec], wanted: str, family: str) -> list[str]:
    """Return the variant `wanted`, or `all` of the family; raise `UserError` for another."""
    members = [name for name, spec in variants.items() if spec.family == family]
    if wanted == ALL:
        return members
    if wanted not in members:
        hint = nearest(wanted, [*members, ALL])
        if wanted in variants:
            hint = f"it is built by '{variants[wanted].family}'"
        raise UserError(f"variant: '{wanted}' is no variant of '{family}'; {hint}")
    return [wanted]


def select_ablations(ablations: Mapping[str, VariantSpec], wanted: str) -> dict[str, VariantSpec]:
    """Return those that are named in `wanted`, with ',' between, or `all`.

    With them come those that they are made from or stand beside. Raises `UserError` for a name
    that none has.
    """
    waiting = [name.strip() for name in wanted.split(",")]
    known = [*ablations, ALL] if ablations else []
    for name in waiting:
        if name not in known:
            raise UserError(f"ablations: unknown ablation '{name}'; {nearest(name, known)}")
    waiting += ablations if ALL in waiting else []
    found = set[str]()
    while waiting:
        name = waiting.pop()
        if name in ablations and name not in found:
            found.add(name)
            waiting += [ablations[name].source, ablations[name].beside]
    return {name: spec for name, spec in ablations.items() if name in found}


def _load_variant(name: str, path: Path, kind: type[_File]) -> VariantSpec:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"{path}: a variant's name must be lower case with '_', not '{name}'")
    reserved = (BASE, FLOOR_NAME, ALL, "latest")  # MLflow keeps `latest` and `v<digits>` to itself
    if name.replace("_", "-") in ROLES or name in reserved or re.fullmatch(r"v\d+", name):
        raise UserError(f"{path}: '{name}' is reserved and cannot name a variant")
    as_written = read_yaml(path)
    file = parse(kind, as_written, str(path))
    try:
        technique = load_technique(file.technique)
        format = load_runtime(file.runtime).FORMAT
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if format not in technique.FORMATS:
        raise UserError(
            f"{path}: runtime: '{file.runtime}' runs the format '{format}', and "
            f"'{file.technique}' writes {' or '.join(technique.FORMATS)}"
        )
    config = parse(technique.Config, file.config, f"{path}: config")
    search: Space = {}
    if isinstance(file, _VariantFile):
        search = read_space(file.search, config, f"{path}: search")
    spec = VariantSpec(name, file.technique, file.source, file.runtime, config, search, as_written)
    if isinstance(file, _AblationFile):
        if file.timed_epoch:
            with_values(config, file.timed_epoch, f"{path}: timed_epoch")
        return replace(
            spec,
            beside=file.beside,
            question=file.question,
            epochs=file.epochs,
            curve=file.curve,
            timed_epoch=file.timed_epoch,
        )
    return spec


def _sources_first(variants: Mapping[str, VariantSpec]) -> list[str]:
    def made_from(source: str) -> Iterator[str]:
        for name, spec in variants.items():
            if spec.source == source:
                yield name
                yield from made_from(name)

    order = list(made_from(BASE))
    if len(order) < len(variants):
        circle = ", ".join(sorted(set(variants) - set(order)))
        raise UserError(f"experiments/variants: these are their own sources: {circle}")
    return order
