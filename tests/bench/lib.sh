# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the benches share. A bench is a scenario (tests/system/README.md) on the release build; it
# prints "measured:" lines and judges by the ratios and counts of the file budgets.
# shellcheck disable=SC2034 # what is set here is used by those that source it
export CORACLE_PRESET=release
# shellcheck source=tests/torture/lib.sh
. "$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/tests/torture/lib.sh"
EDGE=(edge/edgehub edge/metamanager edge/devicetwin edge/eventbus edge/edged)
# Those that a message of a device passes.
TELEMETRY=(edge/mosquitto edge/eventbus edge/edgehub cloud/cloudhub cloud/edgecontroller)

# bench_main "$@": the rest of a bench that is run alone; in tests/bench/short another has prepared.
# The bench has a function bench_run, and perhaps bench_up.
bench_main() {
    [ -z "${BENCH_PART:-}" ] || return 0
    torture_begin "$@"
    t_case "up" bench_up
    t_case "${0##*/}" bench_run
    t_end
}

bench_up() { torture_up; }

# machine: load and stolen time, beside every figure.
machine() {
    local steal
    steal=$(awk '/^cpu / { printf "%.1f", 100 * $9 / ($2 + $3 + $4 + $5 + $6 + $7 + $8 + $9) }' /proc/stat)
    echo "measured: machine: load $(cut -d' ' -f1 /proc/loadavg), steal $steal % since boot"
}

# middle NUMBER...: median, least and most.
middle() { printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] " (" v[1] " to " v[NR] ", " NR " runs)" }'; }
middle_of() { printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# budget NAME GOT: fails when GOT is more than the file budgets allows.
budget() {
    local most
    most=$(awk -v name="$1" '$1 == name { print $2 }' "$TOP/tests/bench/budgets")
    [ -n "$most" ] || {
        echo "no budget is named $1"
        return 1
    }
    at_most "$1" "$most" "$2"
}

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

# used SIDE/SERVICE...: what each has used up to now, a line each: its name, processor time in
# microseconds, voluntary context switches of all threads, bytes that it made the disk write.
used() {
    local service pid
    for service in "$@"; do
        pid=$(pid_of "${service%/*}" "${service#*/}")
        echo "${service#*/} $(awk '{ n += $1 } END { printf "%d", n / 1000 }' "/proc/$pid"/task/*/schedstat)" \
            "$(awk '/^voluntary/ { n += $2 } END { print n }' "/proc/$pid"/task/*/status)" \
            "$(awk '/^write_bytes/ { print $2 }' "/proc/$pid/io")"
    done
}

# used_since BEFORE SIDE/SERVICE...: the difference in USED_US, USED_SWITCHES and USED_BYTES, all of them
# together; USED_EACH has the microseconds of each.
used_since() {
    local before=$1
    shift
    read -r USED_US USED_SWITCHES USED_BYTES USED_EACH < <(paste -d ' ' <(echo "$before") <(used "$@") | awk '
        { us += $6 - $2; switches += $7 - $3; bytes += $8 - $4; each = each " " $1 " " $6 - $2 }
        END { print us, switches, bytes, each }')
}

# used_percent NAME BASE: of what was used, the processor time of services (NAME: a regular expression) in
# percent of that of BASE, of the same seconds, so that other work on the machine is in both.
used_percent() {
    awk -v each="$USED_EACH" -v name="^($1)\$" -v base="$2" 'BEGIN {
        count = split(each, part, " ")
        for (i = 1; i < count; i += 2) {
            if (part[i] == base) floor = part[i + 1]
            if (part[i] ~ name) ours += part[i + 1]
        }
        printf "%d\n", ours * 100 / floor }'
}

# a_message MESSAGES: of what was used, each message's part: microseconds with the parts of each service.
a_message() {
    awk -v n="$1" -v us="$USED_US" -v each="$USED_EACH" 'BEGIN {
        printf "%.1f us (", us / n
        count = split(each, part, " ")
        for (i = 1; i < count; i += 2) printf "%s%s %.1f", (i == 1 ? "" : ", "), part[i], part[i + 1] / n
        print ")" }'
}

# link_bytes: TCP payload of the link, both ways: TLS records.
link_bytes() {
    nsenter "--net=/proc/$(pid_of edge edgehub)/ns/net" ss -tin state established "dport = :10000" |
        grep -oE 'bytes_(sent|received):[0-9]+' | awk -F: '{ n += $2 } END { print n + 0 }'
}

# synced RUNS: microseconds of write and fdatasync of 4 KiB on the disk of the services' stores, the
# median of so many: what any durable step must take.
synced() {
    python3 - "$CORACLE_STATE" "$1" <<'PY'
import os, sys, tempfile, time
with tempfile.TemporaryFile(dir=sys.argv[1]) as file:
    took = []
    for _ in range(int(sys.argv[2])):
        began = time.monotonic()
        os.write(file.fileno(), b"x" * 4096)
        os.fdatasync(file.fileno())
        took.append(time.monotonic() - began)
print(int(sorted(took)[len(took) // 2] * 1e6))
PY
}
