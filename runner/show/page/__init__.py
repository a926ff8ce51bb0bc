"""The HTML page of a report, and the same tables as LaTeX and Markdown."""
