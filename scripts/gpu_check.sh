#!/usr/bin/env bash
# One command for a machine with a GPU: build with CUDA, run the tests that need a GPU, then the benchmarks.
# Needs a Python with torch, nanobind, scikit-build-core and pytest, cmake and nvcc; downloads nothing.
#   scripts/gpu_check.sh [PYTHON]      results also go to $OUT, where that is set
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
out=${OUT:-runs/gpu_check}
mkdir -p "$out"

"$python" - <<'CODE'
import shutil, sys, torch
print("torch", torch.__version__, "CUDA", torch.version.cuda)
if not torch.cuda.is_available():
    sys.exit("torch sees no GPU: nothing to check here.")
print(torch.cuda.get_device_name(), torch.cuda.get_device_capability())
if shutil.which("nvcc") is None:
    sys.exit("nvcc is not on the PATH: install the CUDA toolkit, or add its bin folder to PATH.")
CODE

echo "--- build"
# No dependencies: the core runs on torch and numpy alone. Only this GPU's architecture, to be quick.
"$python" -m pip install --quiet --no-index --no-deps --no-build-isolation \
  --config-settings=cmake.define.CMAKE_CUDA_ARCHITECTURES=native -e . 2>&1 | tee "$out/build.log"

echo "--- tests"
options=(-o "addopts=" -p no:cacheprovider -ra)
if "$python" -c 'import beartype, jaxtyping' 2>/dev/null; then
  options+=(--jaxtyping-packages=recon,beartype.beartype)
fi
failed=0
"$python" -m pytest -q "${options[@]}" -m gpu 2>&1 | tee "$out/tests.log" || failed=1

echo "--- benchmarks"
if [ -f benchmarks/run.py ]; then
  "$python" benchmarks/run.py 2>&1 | tee "$out/bench.log" || failed=1
  [ ! -f bench.json ] || cp bench.json "$out/"
fi
exit "$failed"
