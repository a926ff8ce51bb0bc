"""What a run leaves, read; what the runner leaves, written whole or not at all."""
