"""Variants and ablations: one technique applied to one source, read from YAML files."""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from fincompress import studies
from fincompress.benchmark.process import MODEL2VEC
from fincompress.benchmark.tfidf import FLOOR_NAME
from fincompress.config import UserError, nearest, parse, read_yaml, settings
from fincompress.evaluation.results import PUBLISHED_RECIPE
from fincompress.models.storage import TORCH_FORMAT
from fincompress.promotion import ROLES
from fincompress.runtimes import load_runtime
from fincompress.studies.search_space import Scalar, Space, read_space, with_values
from fincompress.techniques import load_technique, source_formats
from fincompress.training.loop import Budget

BASE = "base"  # the source of a variant that starts from the study's pretrained base


@settings
class Curve:
    """A line that an ablation contributes to a figure of several ablations.

    `figure`: the name of the figure, in which all curves with that name are drawn. `file`: the JSON
    file in the build's run whose list `points` is drawn. `x`, `y`: the keys of each point that
    give its coordinates.
    """

    figure: str
    file: str
    x: str
    y: str


@dataclass(frozen=True)
class VariantSpec:
    """One technique applied to one source, or to several, for one runtime.

    `name`: the name of its file without the ending. `technique`: the name of the module in
    `fincompress/techniques/`. `sources`: the variants it is made from, in the order of its file, or
    `base` alone. `runtime`: the name of the runtime that it is measured and served with. `config`:
    the technique's `Config`. `search`: what tuning varies. `as_written`: the content of its YAML
    file.

    Of ablations only: `beside`: the variant, or ablation, that it is compared with. `question`: the
    question that the comparison answers. `epochs`: epochs of training, None for the study's.
    `curve`: a line in a figure of several ablations. `timed_epoch`: values by key of its config,
    with which the duration of an epoch is compared with that of `beside`. `training_only`: the
    origins of the study's `data.training_only` that it learns from, None for all. `transfer`: those
    of its transfer set, None for all.
    """

    name: str
    technique: str
    sources: tuple[str, ...]
    runtime: str
    config: Any
    search: Space
    as_written: Mapping[str, Any]
    beside: str = ""
    question: str = ""
    epochs: int | None = None
    curve: Curve | None = None
    timed_epoch: Mapping[str, Scalar] | None = None
    training_only: tuple[str, ...] | None = None
    transfer: tuple[str, ...] | None = None

    def budget(self, study: Budget) -> Budget:
        """Return the study's budget, with the ablation's own epochs if it has any."""
        return replace(study, epochs=self.epochs) if self.epochs else study

    @property
    def source(self) -> str:
        """The variant whose answers it should give, or `base`: the last of its sources."""
        return self.sources[-1]

    @property
    def family(self) -> str:
        """The verb that builds it: the family of its technique."""
        return load_technique(self.technique).FAMILY

    @property
    def format(self) -> str:
        """The format of its artifact, which its runtime reads."""
        return load_runtime(self.runtime).FORMAT

    @property
    def alias(self) -> str:
        """Its alias in the model registry."""
        return self.name.replace("_", "-")

    def tuned(self, values: Mapping[str, Scalar]) -> "VariantSpec":
        """Return the variant with `values` at these (dotted) keys of its config."""
        return replace(self, config=with_values(self.config, values, f"{self.name}: config"))

    def yaml(self, values: Mapping[str, Scalar]) -> str:
        """Return the text of its YAML file with `values` at these (dotted) keys of its config."""
        config = deepcopy(dict(self.as_written.get("config", {})))
        for name, value in values.items():
            *path, last = name.split(".")
            section = config
            for part in path:
                section = section.setdefault(part, {})
            section[last] = value
        order = ("technique", "source", "runtime", "config", "search")
        data = {**self.as_written, "config": config}
        ordered = {key: data[key] for key in order if key in data}
        return yaml.safe_dump(ordered, sort_keys=False, default_flow_style=None)


@settings
class _File:
    """The keys of a variant's or an ablation's file.

    `technique`: the name of a module in `fincompress/techniques/`. `source`: what it is made from:
    a variant, or `base` for the study's pretrained base; for a technique that joins models, a list
    of variants. `runtime`: the runtime it is measured and served with. `config`: values of the
    technique's `Config`; what is left out has its default.
    """

    technique: str
    source: str | tuple[str, ...]
    runtime: str = "torch_eager"
    config: dict[str, Any] = Field(default_factory=dict)


@settings
class _VariantFile(_File):
    """The file of a variant.

    `search`: the keys of `config` that `tune` varies, each with a `Range` or `Choices`.
    """

    search: dict[str, Any] = Field(default_factory=dict)


@settings
class _AblationFile(_File):
    """The file of an ablation.

    `beside`: the variant or ablation that it is compared with. `question`: what the comparison
    answers; tables show it. `epochs`: epochs of training in place of the study's. `curve`: a line
    that it adds to a figure. `timed_epoch`: values of `config` for a comparison of the duration of
    an epoch with that of `beside`. `training_only`: the origins of the study's
    `data.training_only` that it learns from; without it, all. `transfer`: those of its
    `data.transfer`; without it, all.
    """

    beside: str
    question: str
    epochs: Annotated[int, Field(ge=1)] | None = None
    curve: Curve | None = None
    timed_epoch: dict[str, Scalar] | None = None
    training_only: tuple[str, ...] | None = None
    transfer: tuple[str, ...] | None = None


def load_variants(study: str = "") -> dict[str, VariantSpec]:
    """Read every variant of a study, in an order in which each follows its source.

    These are the files in `experiments/variants`, and those in its subfolder of the study's name,
    which are of that study alone; one of the same name takes the place of the shared one. Raises
    `UserError` for a wrong file, an unknown source, variants that are each other's sources, a
    reserved name, or a runtime that cannot run what the technique writes.
    """
    return _load_all("variants", study, _VariantFile, {})


def load_ablations(variants: Mapping[str, VariantSpec], study: str = "") -> dict[str, VariantSpec]:
    """Read every ablation of a study: a variant outside it that is compared with another one.

    They are found as `load_variants` finds variants, in `experiments/ablations`. Raises `UserError`
    as `load_variants` does, for a name that a variant has, and for a `beside` that does not exist.
    """
    ablations = _load_all("ablations", study, _AblationFile, variants)
    paths = _files("ablations", study)
    for name, spec in ablations.items():
        where = paths[name]
        if name in variants:
            raise UserError(f"{where}: '{name}' is a variant's name")
        if spec.beside not in (known := {*variants, *ablations} - {name}):
            hint = nearest(spec.beside, known)
            raise UserError(f"{where}: beside: unknown variant '{spec.beside}'; {hint}")
    return ablations


def _files(folder: str, study: str) -> dict[str, Path]:
    """The files of a study in a folder under `experiments/`, by name, in alphabetical order."""
    shared = studies.EXPERIMENTS / folder
    own = (shared / study).glob("*.yaml") if study else ()
    paths = {path.stem: path for path in (*shared.glob("*.yaml"), *own)}
    return dict(sorted(paths.items()))


def _load_all(
    folder: str, study: str, file: type[_File], others: Mapping[str, VariantSpec]
) -> dict[str, VariantSpec]:
    """Read the variants of a folder, whose sources are among them or among `others`."""
    paths = _files(folder, study)
    own = {name: _load_variant(name, path, file) for name, path in paths.items()}
    variants = {**others, **own}
    for name, spec in own.items():
        for source in spec.sources:
            _check_source(spec, source, variants, paths[name])
    return {name: own[name] for name in _sources_first(variants) if name in own}


def _check_source(
    spec: VariantSpec, source: str, variants: Mapping[str, VariantSpec], path: Path
) -> None:
    """Raise `UserError` unless the technique of `spec` can read what `source` is."""
    if source not in (BASE, *variants):
        hint = nearest(source, [BASE, *variants])
        raise UserError(f"{path}: source: unknown variant '{source}'; {hint}")
    written = TORCH_FORMAT if source == BASE else variants[source].format
    read = source_formats(spec.technique)
    if written not in read:
        raise UserError(
            f"{path}: source: must have the format {' or '.join(map(repr, read))}, but "
            f"'{source}' has '{written}'"
        )
    if source == BASE and len(spec.sources) > 1:
        raise UserError(f"{path}: source: '{BASE}' must be the only source, not one of several")


def root_of(variants: Mapping[str, VariantSpec], name: str) -> str:
    """Return the variant at the top of `name`'s tree: its unpruned teacher."""
    while variants[name].source != BASE:
        name = variants[name].source
    return name


def siblings(variants: Mapping[str, VariantSpec]) -> list[tuple[str, str]]:
    """Return the pairs of variants with the same sources and family, the later one first.

    They are alternatives to each other, which a benchmark compares.
    """
    return [
        (b.name, a.name)
        for a, b in combinations(variants.values(), 2)
        if (a.sources, a.family) == (b.sources, b.family)
    ]


def select(variants: Mapping[str, VariantSpec], wanted: str, family: str) -> list[str]:
    """Return the variant `wanted` of a family, or `all` of them; raise `UserError` for another."""
    members = [name for name, spec in variants.items() if spec.family == family]
    if wanted == studies.ALL:
        return members
    if wanted not in members:
        hint = nearest(wanted, [*members, studies.ALL])
        if wanted in variants:
            hint = f"it is built by '{variants[wanted].family}'"
        raise UserError(f"variant: '{wanted}' is no variant of '{family}'; {hint}")
    return [wanted]


def select_ablations(ablations: Mapping[str, VariantSpec], wanted: str) -> dict[str, VariantSpec]:
    """Return the ablations that `wanted` names, separated by commas, or `all`.

    Ablations that these are made from or compared with are included. Raises `UserError` for an
    unknown name.
    """
    waiting = [name.strip() for name in wanted.split(",")]
    known = [*ablations, studies.ALL] if ablations else []
    for name in waiting:
        if name not in known:
            raise UserError(f"ablations: unknown ablation '{name}'; {nearest(name, known)}")
    waiting += ablations if studies.ALL in waiting else []
    selected = set[str]()
    while waiting:
        name = waiting.pop()
        if name in ablations and name not in selected:
            selected.add(name)
            waiting += [*ablations[name].sources, ablations[name].beside]
    return {name: spec for name, spec in ablations.items() if name in selected}


def _load_variant(name: str, path: Path, kind: type[_File]) -> VariantSpec:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"{path}: a variant's name must be lower case with '_', not '{name}'")
    measured = (FLOOR_NAME, MODEL2VEC, PUBLISHED_RECIPE)  # beside the variants, in the same tables
    # MLflow keeps `latest` and `v<digits>` to itself.
    reserved = (BASE, *measured, studies.ALL, "latest")
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
            f"{path}: runtime: '{file.runtime}' runs the format '{format}', but "
            f"'{file.technique}' writes {' or '.join(technique.FORMATS)}"
        )
    config = parse(technique.Config, file.config, f"{path}: config")
    search: Space = {}
    if isinstance(file, _VariantFile):
        search = read_space(file.search, config, f"{path}: search")
    sources = (file.source,) if isinstance(file.source, str) else file.source
    if not isinstance(file.source, str) and len(sources) < 2:
        raise UserError(f"{path}: source: a list is for several sources, not for {len(sources)}")
    if len(sources) != len(set(sources)):
        raise UserError(f"{path}: source: names a variant twice: {', '.join(sources)}")
    spec = VariantSpec(name, file.technique, sources, file.runtime, config, search, as_written)
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
            training_only=file.training_only,
            transfer=file.transfer,
        )
    return spec


def _sources_first(variants: Mapping[str, VariantSpec]) -> list[str]:
    order = [BASE]

    def add_made_from(source: str) -> None:
        for name, spec in variants.items():
            if source in spec.sources and name not in order and {*spec.sources} <= {*order}:
                order.append(name)
                add_made_from(name)

    add_made_from(BASE)
    order.remove(BASE)
    if len(order) < len(variants):
        circle = ", ".join(sorted(set(variants) - set(order)))
        raise UserError(
            "experiments/variants: these are made from each other, "
            f"which leaves no first one: {circle}"
        )
    return order
