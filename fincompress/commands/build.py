"""Verbs `teacher`, `distill`, `quantize` and `prune`: build the variants of one family."""

from fincompress.commands.builder import Builder, command_run
from fincompress.commands.options import Options
from fincompress.commands.prepare import log_data_once
from fincompress.commands.workspace import open_workspace
from fincompress.studies.variants import select


def build_family(family: str, options: Options) -> None:
    """Build the variants of a family, and first whatever they are made from.

    Raises `UserError` for a variant of another family, and `IncompleteError` if some failed.
    """
    with open_workspace(options) as workspace:
        wanted = select(workspace.variants, options.variant, family)
        builder = Builder(workspace)
        with command_run(builder, family):
            log_data_once(workspace)
            builder.build(wanted)
