"""What the folders of runs say, and the numbers made of it."""
