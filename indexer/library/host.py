"""Which machine this is: a name that stays in the data folder, where machines share one catalog.

The name of the host would not do: containers share names, and machines are renamed.
"""

import uuid
from pathlib import Path

from indexer.errors import StoreError
from me5 import atomic

FILE = "host.id"


def host_id(data_dir: Path) -> str:
    """The id of the machine that has this data folder; made at the first call.

    Raises:
        StoreError: the folder cannot be read or written.
    """
    path = data_dir / FILE
    try:
        if path.exists() and (known := path.read_text(encoding="utf-8").strip()):
            return known
        data_dir.mkdir(parents=True, exist_ok=True)
        made = str(uuid.uuid4())
        atomic.write(path, f"{made}\n")
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}). Expected a folder of yours; choose another with "
            "--data."
        ) from error
    return made
