#!/bin/sh
# What must be on a machine before recon can be installed from source, and how to get it.
#   scripts/check_machine.sh [python3]
# Ends with 0 when all is there, with 2 and advice when something is missing.
set -u
python=${1:-python3}
missing=""   # Debian's names of the packages to install
problems=""  # one line each

lacks() { # lacks "what is wrong" package...
  problems="$problems
  - $1"
  shift
  for package in "$@"; do
    case " $missing " in *" $package "*) ;; *) missing="$missing $package" ;; esac
  done
}

if ! command -v "$python" >/dev/null 2>&1; then
  lacks "no Python: '$python' is not found" python3 python3-venv python3-dev
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  lacks "$("$python" --version) is too old: recon needs 3.11 or newer. Name one with PYTHON=, as in: make demo PYTHON=python3.12"
else
  "$python" -c 'import ensurepip, venv' 2>/dev/null || lacks "this Python cannot make virtual environments" python3-venv
  "$python" -c '
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
    lacks "the headers of this Python are missing (Python.h)" python3-dev
fi

compiler=${CXX:-}
[ -n "$compiler" ] || for name in c++ g++ clang++; do
  if command -v "$name" >/dev/null 2>&1; then compiler=$name && break; fi
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/try.cpp" <<'CODE'
#include <omp.h>
#include <optional>
int main() { return std::optional<int>(omp_get_max_threads()).value() < 1; }
CODE
if [ -z "$compiler" ] || ! command -v "$compiler" >/dev/null 2>&1; then
  lacks "no C++ compiler" build-essential
elif ! "$compiler" -std=c++17 -fopenmp "$folder/try.cpp" -o "$folder/try" 2>"$folder/log" || ! "$folder/try"; then
  lacks "$compiler cannot build a C++17 program with OpenMP: $(head -n 1 "$folder/log")" build-essential
fi
command -v make >/dev/null 2>&1 || lacks "no make" build-essential

free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024 / 1024) }')
if [ "$free" -lt 5 ]; then
  lacks "only $free GB are free here: the installation takes about 4 GB"
fi

if [ -z "$problems" ]; then
  exit 0
fi
echo "recon cannot be installed here yet:$problems" >&2
if [ -n "$missing" ]; then
  sudo="sudo "
  [ "$(id -u)" -eq 0 ] && sudo=""
  echo "On Debian or Ubuntu:  ${sudo}apt-get install -y$missing" >&2
fi
exit 2
