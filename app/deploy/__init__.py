"""Onto EC2 and off it again: bundles of software for hosts, and one stack of CloudFormation's."""
