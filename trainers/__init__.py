"""The methods, one file each.

Every module of this folder is imported when the package is. A module that cannot be imported is
listed in `BROKEN` and hurts only the trainers it would have registered.
"""

from dassl.utils.discovery import import_modules
from dassl.utils.logger import log_to_stdout

log_to_stdout(__name__)
BROKEN = import_modules(__name__)
