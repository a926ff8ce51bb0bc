"""Plan, launch, tally and report the runs of an experiment.

The package knows the command line of train.py and the files that a run leaves, nothing else: it
imports no torch, no trainer and no dataset.
"""
