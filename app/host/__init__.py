"""What a host on EC2 runs beside its tiers."""
