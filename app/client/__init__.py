"""The other side of the web tier: its API over HTTP, and `elastiq classify` on top of it. Needs no AWS."""
