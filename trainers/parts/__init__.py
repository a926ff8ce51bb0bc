"""What the methods share: options, prompts, the model and trainer that every method builds on,
DePT."""
