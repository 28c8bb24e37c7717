#!/bin/sh
# Train on all GPUs of one machine: ./one-machine.sh flow-emoji --run runs/flow --parallel fsdp
# A process that dies is started again with all others, up to three times, from the last checkpoint.
set -eu
exec torchrun --standalone --nproc-per-node "${PROCESSES:-gpu}" --max-restarts 3 -m -- litho train "$@"
