"""The autoscaler: it observes the queue and the fleet, decides how many instances there should be, and acts.

`policy` decides and is pure; `observe` sees and `loop` acts; `fleet` is the port to where instances run, on EC2 or on
this machine.
"""
