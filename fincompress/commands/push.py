"""Verb `push`: a model as a folder that needs no store, on the Hugging Face Hub or on this disk."""

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fincompress import hub
from fincompress.artifact import Artifact, draft_folder, hash_files
from fincompress.commands.options import Options
from fincompress.config import UserError
from fincompress.data import SENTIMENT
from fincompress.data.labels import example_text
from fincompress.export import write_standard_inputs
from fincompress.hub import HubModel
from fincompress.models.huggingface import save_huggingface, save_tokenizer
from fincompress.prediction.saved_model import (
    ARTIFACT_FOLDER,
    RECORD,
    SavedRecord,
    check_new_folder,
    folder_name,
    is_folder,
    parse_record,
    read_saved_model,
    write_record,
)
from fincompress.reports.model_card import MODEL_CARD
from fincompress.reports.saved_card import (
    CARD,
    ONNX_FILE,
    ONNX_RUNTIME,
    TRANSFORMERS,
    saved_card,
    standard_form,
)
from fincompress.tracking import registry
from fincompress.tracking.loading import find_version

# What a repository may have before the first push: the hub, or its owner there, makes these.
MADE_THERE = {".gitattributes", CARD}


@dataclass(frozen=True)
class Source:
    """A model that is to leave the machine.

    `artifact`: its files. `card`: what is known of it, as Markdown. `study`, `variant`, `version`:
    what it is registered as. `runtime`: what loads it.
    """

    artifact: Artifact
    card: str
    study: str
    variant: str
    version: int
    runtime: str


def push_model(options: Options) -> None:
    """Write a model to a folder, or upload it to the hub in one commit.

    Raises `UserError` for options that do not fit, a folder or a repository that has other files,
    and a hub that does not answer or permit it. Then nothing is written; a repository that was
    created before stays, empty.
    """
    _check(options)
    with TemporaryDirectory(prefix="fincompress-push-") as scratch:
        source = _source(options, Path(scratch))
        if options.save is not None:
            with draft_folder(options.save) as draft:
                record = write_saved_model(draft, source)
                draft.rename(options.save)
            print(f"{record.title}: written to {options.save}")
            print(
                f'  fincompress predict --model {shlex.quote(folder_name(options.save))} "A text ."'
            )
        else:
            folder = Path(scratch) / "saved"
            folder.mkdir()
            record = write_saved_model(folder, source, options.to)
            _upload(options, folder, record, source)


def _check(options: Options) -> None:
    """Raise `UserError` for options that do not fit, and a hub that cannot be reached."""
    if bool(options.to) == (options.save is not None):
        raise UserError(
            "push: give one of --to owner/name, a model on the hub, and --save FOLDER, a folder "
            "on this disk"
        )
    if options.save is not None:
        if not options.private:
            raise UserError("private: is for --to; a folder has the permissions that you give it")
        check_new_folder(options.save)
    else:
        hub.check_repository_name(options.to, "to")
        hub.require_hub(writing=True)


def _source(options: Options, scratch: Path) -> Source:
    """The model that is named: a saved one, or of the registry, whose files come into `scratch`."""
    if is_folder(options.model):
        folder = Path(options.model)
        record, artifact = read_saved_model(folder)
        try:
            card = (folder / CARD).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{folder / CARD}: cannot be read: {error}") from None
        for name in sorted(hash_files(folder).keys() - {RECORD, *record.files}):
            print(f"{folder / name}: stays here, as it is no file of a saved model")
        return Source(artifact, card, record.study, record.variant, record.version, record.runtime)
    name, number = find_version(options.model, options.study)
    version, runtime = registry.fetch(name, number, scratch)
    card = registry.read_card(version, MODEL_CARD)
    return Source(version.artifact, card, options.study, version.variant, number, runtime)


def write_saved_model(folder: Path, source: Source, repo: str = "") -> SavedRecord:
    """Write a saved model into an empty folder, and return its record.

    `repo` is owner/name where it is pushed to, which its card names. Raises `UserError` for a card
    that is no such, and `OSError` if a file cannot be written.
    """
    artifact = source.artifact
    manifest, form = artifact.manifest, standard_form(artifact.manifest)
    shutil.copytree(artifact.path, folder / ARTIFACT_FOLDER)
    if form == TRANSFORMERS:
        save_huggingface(artifact, folder)
    elif form == ONNX_RUNTIME:
        save_tokenizer(artifact, folder)
        write_standard_inputs(artifact, folder / ONNX_FILE)
    example = example_text(manifest.labels == SENTIMENT)
    card = saved_card(source.card, manifest, example, repo)
    (folder / CARD).write_text(card, encoding="utf-8")
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)  # the library lets their owner alone read them
    return write_record(folder, source.study, source.variant, source.version, source.runtime)


def _upload(options: Options, folder: Path, record: SavedRecord, source: Source) -> None:
    repo = options.to
    if not hub.model_exists(repo):
        hub.create_model(repo, options.private)
        print(f"{repo}: created")
    model = hub.find_model(repo)
    if options.private and not model.private:
        raise UserError(
            f"private: {repo} is there, and everybody can see it; give --private false if that is "
            "meant, or make it private on the hub"
        )
    before = _pushed_before(model, folder.parent)
    deleted = before - {RECORD, *record.files}
    commit = hub.upload_folder(model, folder, sorted(deleted), record.title)
    seen = "its owner alone sees it" if model.private else "everybody can see it"
    same = ", as before" if commit == model.commit else ""
    print(f"{record.title}: commit {commit} of {repo}{same}; {seen}")
    if not model.private:
        for note in source.artifact.manifest.notes:
            print(f"  {note}")
    print(f"  fincompress pull {repo}@{commit}")


def _pushed_before(model: HubModel, scratch: Path) -> set[str]:
    """The files there that an earlier push wrote; raises `UserError` if there are others alone."""
    if RECORD in model.files:
        hub.download_files(model, [RECORD], scratch)
        record = parse_record((scratch / RECORD).read_bytes(), f"{model.repo}: {RECORD}")
        return set(record.files) & model.files
    if others := model.files - MADE_THERE:
        raise UserError(
            f"to: {model.repo} has '{min(others)}' and is no saved model, and nothing is "
            "overwritten; give another name"
        )
    return set()
