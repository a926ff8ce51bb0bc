"""`python -m datasets prepare`: fetches, unpacks and arranges published datasets."""
