"""From results to tables: numbers over seeds, screen, CSV files, pictures."""
