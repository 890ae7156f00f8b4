#!/usr/bin/env bash
# All checks and figures of a GPU in at most eight minutes, one JSON line each; without a GPU, small on the CPU.
#
#   bash benchmarks/gpu.sh > gpu.jsonl
#
# For a bare machine: PYTHON names its interpreter, and GPU_SITE a folder of pure Python packages that it lacks. Data are
# looked for in shared/data, here or beside this folder. Exit code 1 when any part failed; the others run all the same.
set -eu
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD:$PWD/benchmarks${GPU_SITE:+:$GPU_SITE}"
exec "${PYTHON:-python3}" benchmarks/gpu_parts.py "$@"
