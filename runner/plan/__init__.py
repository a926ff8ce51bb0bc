"""What will run: experiments, modes, grids, and the calls of train.py that they mean."""
