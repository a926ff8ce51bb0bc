"""Who runs it: this machine, its GPUs, warm workers, SLURM; kills, retries, what is done."""
