"""What answers which path: each blueprint parses a request, calls, and answers. Only the application imports them."""
