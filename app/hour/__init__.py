"""The last hour, put together from what is announced: web shows it, the leading autoscaler writes it down. Pure."""
