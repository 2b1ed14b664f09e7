"""From a request's body to images in the input bucket and their tasks in the queue."""
