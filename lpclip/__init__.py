"""The linear probe's two published command lines; the trainer LinearProbe does both in one run."""
