"""Plan, launch, tally and report the runs of an experiment.

The package knows the command line of train.py and the files that a run leaves, nothing else: it
imports no torch, no trainer and no dataset. `slurm` is the launcher for clusters, `tables` makes
numbers and tables of results, `page` the report.
"""
