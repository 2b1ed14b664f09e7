"""What counts as an image, and what is in one: decided by content, no name is believed."""
