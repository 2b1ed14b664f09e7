"""What every process of Elastiq needs of itself: its log, its signals, loops that last, and a sign that it lives."""
