"""What the HTTP API takes and answers, said once beside each route: it validates requests and becomes /openapi.json."""
