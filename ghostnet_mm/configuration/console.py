"""Words for the person at the terminal; one process of a parallel run speaks."""

import os

from ghostnet_runtime.status_line import tell as tell_on_any_console


def is_first_process() -> bool:
    """Whether this process speaks for the run.

    Read from the environment because options are checked before the process group
    exists. The variables are those of torchrun, Slurm and Open MPI.
    """
    for variable in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"):
        if variable in os.environ:
            return os.environ[variable] == "0"
    return True


def tell(message: str) -> None:
    """Print ``message`` once per run; what the console cannot show is escaped."""
    if is_first_process():
        tell_on_any_console(message)
