"""Readers of public datasets and the demo suite; importing the package registers every one of them.

`BROKEN` lists the modules of this folder that could not be imported, with the reason.
"""

from dassl.utils.discovery import import_modules
from dassl.utils.logger import log_to_stdout

log_to_stdout("datasets")
BROKEN = import_modules(__name__)
