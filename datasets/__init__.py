"""Readers of public datasets, one file each; `parts` is what they are made of.

Rooms beside them: `own` pictures, the `demo` suite, `preparing` (download and unpack), `checking`,
and `published`, the known numbers. Importing the package registers every reader, also of files that
are put here. `BROKEN` lists the modules that could not be imported, with the reason.
"""

from dassl.utils.discovery import import_modules
from dassl.utils.logger import log_to_stdout

log_to_stdout("datasets")
BROKEN = [
    broken
    for package in (__name__, f"{__name__}.own", f"{__name__}.demo")
    for broken in import_modules(package)
]
