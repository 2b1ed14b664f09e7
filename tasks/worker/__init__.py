"""One worker process: why it leaves and how, and what it may take of the host's memory."""
