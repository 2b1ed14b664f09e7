"""Who calls, and what he may do: each request is judged here before a route sees it."""
