# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the benches share. A bench is a scenario (tests/system/README.md) on the release build; it
# prints "measured:" lines and judges by limits that hold on a busy machine too: ratios and counts.
# shellcheck disable=SC2034 # what is set here is used by those that source it
export CORACLE_PRESET=release
# shellcheck source=tests/torture/lib.sh
. "$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/tests/torture/lib.sh"
EDGE=(edgehub metamanager devicetwin eventbus edged)

# machine: load and stolen time, beside every figure.
machine() {
    local steal
    steal=$(awk '/^cpu / { printf "%.1f", 100 * $9 / ($2 + $3 + $4 + $5 + $6 + $7 + $8 + $9) }' /proc/stat)
    echo "measured: machine: load $(cut -d' ' -f1 /proc/loadavg), steal $steal % since boot"
}

# middle NUMBER...: median, least and most.
middle() { printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] " (" v[1] " to " v[NR] ", " NR " runs)" }'; }
middle_of() { printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# run_load ARGUMENT...: torture-load to its end; its figures are in the verdict. Fails unless it is good.
run_load() {
    "$BIN_DIR/torture-load" --port "$TARGET_PORT" --topic default/torture "$@" >"$TEST_DIR/load.out" 2>"$TEST_DIR/load.err" || {
        tail -1 "$TEST_DIR/load.out"
        cat "$TEST_DIR/load.err"
        return 1
    }
}

# decimal NAME: a figure of the verdict, as it stands.
decimal() { tail -1 "$TEST_DIR/load.out" | sed -E "s/.*\"$1\":([0-9.]+).*/\1/"; }
