#!/bin/sh
# Makes an object of a program: build.sh NAME [FILE]. Without FILE, the one in the tree.
# No debug information: the kernel needs none of it, and it would hold paths.
set -eu
cd "$(dirname "$0")"
clang -target bpf -mcpu=v2 -O2 -Wall -Wextra -Werror -c "$1.bpf.c" -o "${2:-$1.bpf.o}"
