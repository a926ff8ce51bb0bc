"""What a person sees: screen, CSV, page, picture."""
