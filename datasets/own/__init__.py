"""Your own pictures: in class folders, or listed in a table."""
