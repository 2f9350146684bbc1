#!/bin/sh
# Installs dynjax from a checkout into a Python environment of its own: what Dockerfile and apptainer.def run, and a test.
# sh install.sh SOURCE TARGET [EXTRA]          EXTRA: cpu, or cuda12 or cuda13 for an NVIDIA GPU
set -eu
source=$1 target=$2 extra=${3:-cpu}
if [ "$extra" = cpu ]; then wanted=preprocess,cluster,stream; else wanted=preprocess,cluster,stream,$extra; fi

python3 -m venv "$target"
"$target/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check "$source[$wanted]"
"$target/bin/python" -c "import jax, SimpleITK, distributed, grain"
"$target/bin/dynjax" --version
