#!/bin/sh
# Makes an object of the program: build.sh [FILE]. Without FILE, the one in the tree.
# No debug information: the kernel needs none of it, and it would hold paths.
set -eu
cd "$(dirname "$0")"
clang -target bpf -mcpu=v2 -O2 -Wall -Wextra -Werror -c steer.bpf.c -o "${1:-steer.bpf.o}"
