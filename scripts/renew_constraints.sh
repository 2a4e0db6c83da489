#!/bin/sh
# Write constraints.txt anew from what is installed in .venv.
set -eu
cd "$(dirname "$0")/.."
head=$(grep '^#' constraints.txt)
{
  printf '%s\n' "$head"
  # The local part of a version (+cpu, +cu130) names a build, not a version.
  .venv/bin/pip freeze --exclude-editable | grep -viE '^(recon|pip|setuptools|wheel|cmake)\b' | sed 's/+[a-z0-9.]*$//' | LC_ALL=C sort -f
} > constraints.new
mv constraints.new constraints.txt
