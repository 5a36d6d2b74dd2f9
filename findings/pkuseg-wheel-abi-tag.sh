#!/usr/bin/env bash
# pip cannot choose pkuseg's wheel for Python 3.8, though there is one.
#
# Expected: pkuseg 0.0.25 has wheels for CPython 3.6, 3.7 and 3.8 on Linux; pip
# takes the one of the Python it is asked for.
#
# What happens: the wheel for 3.8 is named cp38-cp38m. Python 3.8 dropped the "m"
# of its ABI, so that its tag is cp38-cp38, which matches no file of 0.0.25; pip
# finds no wheel newer than 0.0.12 there (or builds 0.0.25 from source, where a
# compiler is at hand). Asked for by the wrong tag, the same file is found.
#
# Seen with pip 26.1 and pkuseg 0.0.25.
#
# What to do: to get the model out of a wheel, which any Python can read, ask for
# the wheel of 3.7 (cp37, cp37m).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pip==26.1
"$work/venv/bin/pip" --version | cut -d' ' -f1-2

look() { # version of Python, tag of its ABI
    "$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --platform=manylinux1_x86_64 --implementation=cp --python-version="$1" --abi="$2" \
        -d "$work/$1-$2" pkuseg==0.0.25 >"$work/said" 2>&1 && ls "$work/$1-$2" || echo "none: $(grep -m1 '^ERROR' "$work/said")"
}
right=$(look 38 cp38)
wrong=$(look 38 cp38m)
seven=$(look 37 cp37m)
printf 'cp38: %s\ncp38m: %s\ncp37m: %s\n' "$right" "$wrong" "$seven"
case $right in none:*) ;; *) echo "Python 3.8 gets its wheel now" >&2; exit 1 ;; esac
[ "$wrong" = pkuseg-0.0.25-cp38-cp38m-manylinux1_x86_64.whl ]
[ "$seven" = pkuseg-0.0.25-cp37-cp37m-manylinux1_x86_64.whl ]
echo "As described: the wheel for 3.8 answers to a tag that no Python 3.8 has"
