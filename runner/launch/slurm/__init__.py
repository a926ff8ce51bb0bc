"""Runs as arrays in the queue of SLURM."""
