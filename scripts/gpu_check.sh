#!/usr/bin/env bash
# One command for a bare machine with an NVIDIA GPU: build, test, sanitise, measure and train, in under nine minutes.
#   scripts/gpu_check.sh [PYTHON] [SCENE]
# It downloads nothing. It needs a Python with torch, numpy, jaxtyping and pytest, cmake 3.24, a C++ compiler, nvcc, and
# nanobind (installed, or a nanobind-*.whl in wheels/ or $WHEELS). Better with: ninja, compute-sanitizer, gsplat.
# SCENE is a folder of photos with a COLMAP model or a transforms.json; reading photos needs Pillow. Without it, the
# demo photos with their exact poses are trained on.
# Everything goes to one folder, $OUT or runs/gpu_check: summary.md, bench*.json, bench*.md and a log of each part.
# RECON_GPU_CHECK_DEVICE=cpu tries the script out on a machine without a GPU.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=$(command -v "${1:-python3}") || { echo "There is no ${1:-python3} here." >&2; exit 2; }
scene=${2:-}
device=${RECON_GPU_CHECK_DEVICE:-cuda}
out=$(mkdir -p "${OUT:-runs/gpu_check}" && cd "${OUT:-runs/gpu_check}" && pwd)
build=$root/build/gpu_check_$device
summary=$out/summary.md
failed=0
nine_minutes=530 # and some seconds to write what was found
printf '# recon on this machine, %s\n\n| part | result | seconds |\n|---|---|---|\n' "$(date -u +%FT%TZ)" >"$summary"

finish() {
  printf '\nThe whole took %s s.\n' "$SECONDS" >>"$summary"
  cat "$summary"
}
trap finish EXIT

note() { # note PART RESULT SECONDS
  printf '| %s | %s | %s |\n' "$1" "$2" "$3" >>"$summary"
  printf -- '--- %s: %s (%s s)\n' "$1" "$2" "$3"
}

part() { # part NAME LIMIT COMMAND...: run within LIMIT seconds and the nine minutes; the output to NAME.log
  local name=$1 limit=$2 code=0 began=$SECONDS left=$((nine_minutes - SECONDS))
  shift 2
  if [ "$left" -lt "$limit" ]; then limit=$left; fi
  if [ "$limit" -lt 5 ]; then
    note "$name" "left out: the nine minutes are over" 0
    failed=1
    return 1
  fi
  timeout --kill-after=10 "$limit" "$@" >"$out/$name.log" 2>&1 || code=$?
  case $code in
    0) note "$name" "ok" $((SECONDS - began)) ;;
    124 | 137) note "$name" "stopped after its $limit s" $((SECONDS - began)) && failed=1 ;;
    *) note "$name" "FAILED (exit $code): $(tail -n 1 "$out/$name.log" | tr '|' '/' | cut -c 1-160)" $((SECONDS - began)) && failed=1 ;;
  esac
  return $code
}

has() { "$python" -c "import $1" 2>/dev/null; }

# --- what is here -----------------------------------------------------------------------------------------------------
missing=()
for package in torch numpy jaxtyping pytest; do has "$package" || missing+=("the Python package $package"); done
for tool in cmake c++; do command -v "$tool" >/dev/null || missing+=("$tool"); done
[ "$device" = cpu ] || command -v nvcc >/dev/null || missing+=("nvcc (add the CUDA toolkit's bin folder to PATH)")
if ! has nanobind; then
  wheel=$(ls "${WHEELS:-wheels}"/nanobind-*.whl 2>/dev/null | head -n 1)
  if [ -n "$wheel" ]; then
    mkdir -p "$build/nanobind" && "$python" -m zipfile -e "$wheel" "$build/nanobind"
    export PYTHONPATH=$build/nanobind${PYTHONPATH:+:$PYTHONPATH}
  else
    missing+=("nanobind (installed, or its wheel in wheels/)")
  fi
fi
if [ "$device" != cpu ] && has torch && ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  missing+=("a GPU that torch $("$python" -c 'import torch; print(torch.__version__)') sees")
fi
if [ ${#missing[@]} -gt 0 ]; then
  printf 'This machine lacks %s.\n' "${missing[@]}" | tee -a "$summary" >&2
  exit 2
fi
part machine 30 "$python" - <<'CODE'
import platform, shutil, torch
print("python", platform.python_version(), "torch", torch.__version__, "CUDA", torch.version.cuda)
print(torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU")
for tool in ("nvcc", "ninja", "compute-sanitizer", "ncu"):
    print(tool, shutil.which(tool) or "is not here")
CODE

# --- build ------------------------------------------------------------------------------------------------------------
# cmake alone, into a folder whose recon/ is the sources' folder by links, with the compiled module beside them.
options=(-DCMAKE_BUILD_TYPE=Release "-DPython_EXECUTABLE=$python")
command -v ninja >/dev/null && options+=(-G Ninja)
if [ "$device" = cpu ]; then options+=(-DRECON_CUDA=OFF); else options+=(-DCMAKE_CUDA_ARCHITECTURES=native); fi
site=$build/site
mkdir -p "$site/recon"
for file in recon/*; do ln -sfn "$root/$file" "$site/recon/$(basename "$file")"; done
part configure 60 cmake -S cuda -B "$build" "${options[@]}" &&
  part build 180 cmake --build "$build" --parallel "$(nproc)" &&
  part install 20 cmake --install "$build" --prefix "$site" || exit 1
export PYTHONPATH=$site:$root/tests${PYTHONPATH:+:$PYTHONPATH}
export PYTHONSAFEPATH=1 # the sources here have no compiled module beside them
part import 30 "$python" - "$site" <<'CODE' || exit 1
import sys
from recon.ops.native import native
print(native().__file__, native().cpu_isa(), native().cuda_info())
assert native().__file__.startswith(sys.argv[1]), "another installation of recon is in the way"
CODE

# --- tests ------------------------------------------------------------------------------------------------------------
# Those whose imports are here: the core needs torch, numpy and jaxtyping.
if [ "$device" = cpu ]; then
  wanted=(blocks adam mcmc photometric splat hash_grid march radiance_field checks evaluation)
  marks="not slow and not gpu"
else
  wanted=($(grep -lE 'mark\.gpu|[(, ](device|gpu): torch' tests/test_*.py | sed 's/.*test_\(.*\)\.py/\1/'))
  marks="gpu and not slow"
fi
tests=()
for name in "${wanted[@]}"; do
  if [ ! -f "tests/test_$name.py" ]; then continue; fi
  if why=$("$python" -c "import test_$name" 2>&1); then
    tests+=("tests/test_$name.py")
  else
    note "test_$name" "left out: $(tail -n 1 <<<"$why" | tr '|' '/')" 0
  fi
done
checked=()
if has beartype; then checked=(--jaxtyping-packages=recon,beartype.beartype); fi
part tests 100 "$python" -m pytest -q -o addopts= -p no:cacheprovider -ra "${checked[@]}" -m "$marks" "${tests[@]}"

# --- right, and fast -----------------------------------------------------------------------------------------------------
part checks 60 "$python" -m recon.bench --checks --device "$device" --markdown "$out/checks.md"
bench() { # bench NAME LIMIT OPTIONS...
  local name=$1 limit=$2
  shift 2
  part "$name" "$limit" sh -c 'out=$1; shift; "$@" >"$out.json"' sh "$out/$name" \
    "$python" -m recon.bench --json --device "$device" --markdown "$out/$name.md" "$@"
}
bench bench 60 --quick
if [ "$device" != cpu ]; then
  bench bench_1M 40 --gaussians 1000000 --size 1920x1080
  bench bench_5M 50 --gaussians 5000000 --size 1920x1080
fi

# --- training -----------------------------------------------------------------------------------------------------------
if [ -z "$scene" ]; then
  scene=$out/demo
  "$python" scripts/pose_demo_photos.py "$scene"
fi
if has PIL; then
  bench training 60 --scene "$scene" --seconds "$([ "$device" = cpu ] && echo 10 || echo 30)"
else
  note training "not available: reading photos needs Pillow, which is not here" 0
fi

# --- under the sanitizers: last, as they may take what is left ----------------------------------------------------------
if [ "$device" != cpu ] && command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    part "$tool" 45 compute-sanitizer --tool "$tool" --error-exitcode 9 "$python" -m recon.bench --checks --device cuda
  done
else
  note sanitizer "not available: $([ "$device" = cpu ] && echo "no GPU" || echo "compute-sanitizer is not here")" 0
fi
exit "$failed"
