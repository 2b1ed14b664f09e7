"""What several suites use: a Celery application to run as real workers, and a proxy that injects faults."""
