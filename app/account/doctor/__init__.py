"""`elastiq doctor`: whether an account and a host have all that Elastiq needs, and in words what to do where not."""
