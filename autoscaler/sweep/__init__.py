"""Rounds of tidying, apart from the scaling: images that lost their task, dead letters, listeners' queues."""
