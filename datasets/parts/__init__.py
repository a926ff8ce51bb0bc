"""What readers of public datasets are made of."""
