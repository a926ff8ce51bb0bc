"""`python -m interpret`: looking inside a finished run. The work is done in `use/`."""
