"""Verb `dashboard`: Optuna's dashboard on this machine."""

from fincompress.commands.options import Options
from fincompress.tracking.addresses import storage_address
from fincompress.tuning import DASHBOARD_PORT, trial_queue


def serve_dashboard(options: Options) -> None:
    """Serve Optuna's dashboard until it is interrupted."""
    trial_queue.run_dashboard_server(
        storage_address(options.storage), options.port or DASHBOARD_PORT
    )
