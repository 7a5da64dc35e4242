#!/usr/bin/env bash
# Measure three cold installs of requirements.txt each by pip, by uv, and by uv with
# PyTorch's wheels for CPUs: seconds, bytes received, and disk filled.
#
#   tools/measure_installs.sh [RUNS]        (3; needs about 8 GB in $TMPDIR or /tmp)
#
# pip's and uv's own settings count (mirrors, constraints): the table is for a machine
# as it is set up. Nothing else should run meanwhile, nor use the network.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-3}
python=${PYTHON:-python3}
index=https://download.pytorch.org/whl/cpu
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

received() {
    awk '/:/ { sub(/:/, " "); if ($1 != "lo") sum += $2 } END { printf "%.0f", sum }' /proc/net/dev
}

# One environment, one cache, both new. Creating the environment and installing uv count.
install() {
    "$python" -m venv "$room/env"
    if [ "$1" = pip ]; then
        "$room/env/bin/python" -m pip install --quiet --cache-dir "$room/cache" -r requirements.txt wheel
        return
    fi
    # As make does it; which build of PyTorch is decided here.
    local how=(tools/install_requirements.py requirements.txt)
    [ "$1" = uv ] && how+=(--pypi)
    UV_CACHE_DIR="$room/cache" PIP_CACHE_DIR="$room/cache" "$room/env/bin/python" "${how[@]}"
}

echo "| installer | run | seconds | received (MB) | environment (MB) | cache (MB) |"
echo "|---|---:|---:|---:|---:|---:|"
for way in pip uv uv-cpu; do
    for run in $(seq "$runs"); do
        rm -rf "$room/env" "$room/cache"
        mkdir "$room/cache"
        if [ "$way" = uv-cpu ] && ! "$python" -c "
import sys; sys.path.insert(0, 'tools')
from install_requirements import answers
sys.exit(not answers('$index/torch/', 10.0))"; then
            echo "| $way | $run | - | - | - | - |"
            continue
        fi
        before=$(received)
        start=$SECONDS
        install "$way" >"$room/log" 2>&1 || { cat "$room/log" >&2; exit 1; }
        seconds=$((SECONDS - start))
        bytes=$(($(received) - before))
        filled=$(du -sm "$room/env" | cut -f1)
        # What du has counted in the first folder, a hard link, it leaves out in the second.
        cached=$(du -sm "$room/env" "$room/cache" | sed -n 2p | cut -f1)
        printf '| %s | %s | %d | %d | %s | %s |\n' \
            "$way" "$run" "$seconds" $((bytes / 1000000)) "$filled" "${cached:-0}"
    done
done
