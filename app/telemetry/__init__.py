"""What Prometheus is told by web and autoscaler: made of what workers announce, so that nothing needs to reach them."""
