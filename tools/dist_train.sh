#!/usr/bin/env bash
# Train on N processes of this machine: one per GPU, or gloo on CPUs.
#
#   tools/dist_train.sh CONFIG N [options of tools/train.py]
#   tools/dist_train.sh configs/retinanet_ghostnet_coco.py 8 --auto-scale-lr --amp
#
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT on each.
set -euo pipefail

if [ "$#" -lt 2 ] || [[ "$2" == -* ]]; then
    echo "usage: tools/dist_train.sh CONFIG N [options of tools/train.py]" >&2
    exit 2
fi
config=$1
processes=$2
shift 2

# One thread per process is PyTorch's own choice for several processes; on CPUs that
# leaves most cores idle, so share them out.
if [ -z "${OMP_NUM_THREADS:-}" ]; then
    cores=$(getconf _NPROCESSORS_ONLN)
    threads=$((cores / processes))
    export OMP_NUM_THREADS=$((threads > 0 ? threads : 1))
fi

# A rendezvous of its own per run, so that two runs on one machine do not meet.
if [ "${NNODES:-1}" = 1 ]; then
    rendezvous=(--standalone)
else
    rendezvous=(--nnodes "$NNODES" --node-rank "${NODE_RANK:-0}"
        --master-addr "$MASTER_ADDR" --master-port "${MASTER_PORT:-29500}")
fi

# The environment that make installs, unless another one is active.
local_python="$(dirname "$0")/../.venv/bin/python"
if [ -z "${PYTHON:-}" ] && [ -z "${VIRTUAL_ENV:-}" ] && [ -x "$local_python" ]; then
    PYTHON=$local_python
fi

exec "${PYTHON:-python}" -m torch.distributed.run "${rendezvous[@]}" \
    --nproc-per-node "$processes" "$(dirname "$0")/train.py" "$config" \
    --launcher pytorch "$@"
