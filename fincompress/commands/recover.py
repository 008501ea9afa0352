"""Verb `recover`: close runs whose process is gone."""

from fincompress.commands.options import Options
from fincompress.tracking import runs
from fincompress.tracking.store import open_store


def recover_runs(options: Options) -> None:
    """Close the runs of processes that are gone."""
    open_store()
    print("\n".join(runs.recover()) or "no run was left open")
