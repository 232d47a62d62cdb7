#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# said.sh GOLDEN: runs each line of GOLDEN that begins with "$ " and prints all again: the line,
# "? " what the services were asked (file asked), what it printed, "! " what it complained about,
# "= " its exit code; without blanks at the ends of lines and argp's hint at --help. Other lines of
# GOLDEN that begin with "# " stay.
set -u
while IFS= read -r line; do
    case $line in
    '# '*) printf '%s\n' "$line" ;;
    '$ '*)
        printf '%s\n' "$line"
        : >asked
        bash -c "${line#??}" >out 2>complaint </dev/null
        code=$?
        sed 's/^/? /; s/ *$//' asked
        sed 's/ *$//' out
        sed '/^Try `coracle /,$d; s/^/! /; s/ *$//' complaint
        printf '= %s\n' "$code"
        ;;
    esac
done <"$1"
