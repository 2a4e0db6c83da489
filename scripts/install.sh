#!/usr/bin/env bash
# Install recon from this folder, editable, with the tested versions:  install.sh PYTHON VENV EXTRAS
# The native module is built by the system's cmake where there is one: then a second run compiles only what changed.
set -euo pipefail
python=$1 venv=$2 extras=$3

sh scripts/check_machine.sh "$python"
if [ ! -x "$venv/bin/python" ]; then
  "$python" -m venv "$venv"
  echo "Installing recon$extras into $venv; the first time takes a few minutes."
fi
if nvcc=$(command -v nvcc); then
  echo "The CUDA kernels are compiled too, with $nvcc."
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
install "${isolation[@]}" -e ".$extras"
"$venv/bin/python" -c 'import torch, recon._native' # a build that cannot be loaded is noticed here
