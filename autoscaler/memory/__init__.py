"""What the autoscaler remembers from one observation to the next. Pure: the time is handed in."""
