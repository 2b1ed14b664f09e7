"""What every answer of this tier shares: problems as JSON, security headers, seats for those who wait."""
