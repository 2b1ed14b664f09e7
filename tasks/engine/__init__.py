"""The engine: a compiled model with its preprocessing and labels."""
