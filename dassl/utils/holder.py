"""Whether this process still holds its run: a cluster may have given the run to another job.

After a node is lost, the scheduler starts a run again elsewhere while the old processes may go on,
or wake up later. Whoever starts a run names itself in a file and tells the run where it is, by two
environment variables; before each save the run looks whether the file still says the same. It
works on shared file systems without locks, since the file is replaced by a rename.
"""

import os
from pathlib import Path

from dassl.utils.errors import UserError

FILE = "PROMPTLAB_HOLDER_FILE"
TOKEN = "PROMPTLAB_HOLDER_TOKEN"


class LostRunError(UserError):
    """Another job has taken this run over."""


def require_holder() -> None:
    """Do nothing for a run that nobody else can take over.

    Raises:
        LostRunError: another job holds the run now; nothing may be written.
    """
    path = os.environ.get(FILE)
    if not path:
        return
    try:
        content = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        content = ""
    if content != os.environ.get(TOKEN, ""):
        now = " ".join(content.split()) or "nobody"
        raise LostRunError(f"this run has been given to another job ({now}); nothing is written")
