"""What the monitor shows: the queue's depth, the instances and what the autoscaler decided."""
