"""`python -m datasets list` and `check`: what datasets there are, and what of them is in a data
folder.
"""
