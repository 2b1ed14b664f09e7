"""Who may do what: API keys where all web processes find them, passwords, and the commands that make both."""
