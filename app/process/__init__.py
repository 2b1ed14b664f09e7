"""What every process of Elastiq needs of itself: its log, its signals, and a sign that it lives."""
