#!/bin/sh
# Runs early at every boot: a host that is not set up in ten minutes goes off, whatever hangs or fails, cloud-init too.
# It waits for nothing that boots later. The set-up stops the timer; a host that is set up already needs none.
test -e /etc/elastiq/ready || systemd-run --no-block --unit=elastiq-deadline --on-active=10min \
    --timer-property=DefaultDependencies=no --property=DefaultDependencies=no systemctl poweroff
