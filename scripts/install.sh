#!/usr/bin/env bash
# Install recon from this folder, editable, with the tested versions:  install.sh PYTHON VENV EXTRAS
# The native module is built by the system's cmake where there is one: then a second run compiles only what changed.
# RECON_CUDA_ARCHITECTURES names the GPUs that CUDA kernels are compiled for, "all" those of a wheel. Without it, the one
# that is here; where there is none, one kind only, as this build will hardly meet another and each takes a minute.
set -euo pipefail
python=$1 venv=$2 extras=$3

sh scripts/check_machine.sh "$python"
if [ ! -x "$venv/bin/python" ]; then
  "$python" -m venv "$venv"
  echo "Installing recon$extras into $venv; the first time takes a few minutes."
fi
options=()
if nvcc=$(command -v nvcc); then
  for_gpus=${RECON_CUDA_ARCHITECTURES:-$(nvidia-smi -L 2>/dev/null | grep -q GPU && echo native || echo 80)}
  echo "The CUDA kernels are compiled too, with $nvcc, for GPUs: $for_gpus."
  [ "$for_gpus" = all ] || options=(-C "cmake.define.CMAKE_CUDA_ARCHITECTURES=$for_gpus")
else
  echo "No nvcc here: recon is built for CPUs only."
fi

install() { # with what is downloaded, built and installed, but without the rest of pip's talk
  # --no-compile: Python compiles what it imports; most files of these packages are never imported.
  "$venv/bin/python" -m pip --disable-pip-version-check install --no-compile -c constraints.txt "$@" |
    awk '/^ *(Downloading|Building|Installing|Successfully)/ { print substr($0, 1, 100); fflush() }'
}

isolation=()
if cmake --version 2>/dev/null | "$venv/bin/python" -c '
import re, sys
sys.exit(tuple(map(int, re.findall(r"\d+", sys.stdin.read())[:2])) < (3, 24))'; then
  install scikit-build-core nanobind ninja
  isolation=(--no-build-isolation)
fi
install "${isolation[@]}" "${options[@]}" -e ".$extras"
"$venv/bin/python" -c 'import torch, recon._native' # a build that cannot be loaded is noticed here
