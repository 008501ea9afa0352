"""Verb `pull`: a saved model from the Hugging Face Hub, at one commit, every file checked."""

import shlex
from pathlib import Path

from fincompress import hub
from fincompress.artifact import draft_folder
from fincompress.commands.options import Options
from fincompress.config import UserError
from fincompress.hub import HubModel
from fincompress.prediction.saved_model import (
    RECORD,
    SavedRecord,
    check_files,
    check_new_folder,
    folder_name,
    parse_record,
    read_saved_model,
)


def pull_model(options: Options) -> None:
    """Download a saved model into a new folder, and say what it is and how to ask it.

    Raises `UserError` if the hub does not answer or permit it, or has no saved model there, and if
    a file is not what it should be. The folder appears when it is whole.
    """
    repo, at, commit = options.hub.partition("@")
    hub.check_repository_name(repo, "hub")
    if at:
        hub.check_commit(commit, "hub")
    out = options.save or Path(repo.rpartition("/")[2])
    check_new_folder(out)
    hub.require_hub()
    model = hub.find_model(repo, commit or "main")
    where = f"{repo}@{model.commit}"
    if RECORD not in model.files:
        raise UserError(
            f"{where}: is no saved model, as push makes it: it has no {RECORD}; a BERT checkpoint "
            "of the hub can be the base of a study: fincompress init --base owner/name"
        )
    with draft_folder(out) as draft:
        hub.download_files(model, [RECORD], draft)
        record = parse_record((draft / RECORD).read_bytes(), f"{where}: {RECORD}")
        _require_files(model, record, where)
        hub.download_files(model, record.files, draft)
        check_files(draft, record, where=where)
        try:
            artifact = read_saved_model(draft)[1]
        except UserError as error:  # of files that are as they were pushed
            raise UserError(f"{where}: {error}".replace(f"{draft}/", "")) from None
        manifest, size = artifact.manifest, f"{artifact.size_mb:.1f} MB"
        draft.rename(out)
    print(f"{record.title}: written to {out}, from commit {model.commit} of {repo}")
    print(f"labels: {', '.join(manifest.labels)}; {size}; runs on {record.runtime}")
    for note in manifest.notes:
        print(f"note: {note}")
    print(f'  fincompress predict --model {shlex.quote(folder_name(out))} "A text ."')


def _require_files(model: HubModel, record: SavedRecord, where: str) -> None:
    """Raise `UserError` unless the model has all files of its record; others are not downloaded."""
    if missing := record.files.keys() - model.files:
        raise UserError(f"{where}: {RECORD} lists '{min(missing)}', which is missing")
