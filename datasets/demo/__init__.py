"""The demo suite's pictures, drawn with whole numbers: the same pixels on every machine."""
