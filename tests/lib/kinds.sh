# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The kinds of tests that tests/run knows: kind_NAME runs one and counts its results. Each uses
# $TOP, the source tree, and $WORK, a folder for logs.

# make_preset PRESET [TARGET]...: configures and builds (all).
make_preset() { cd "$TOP" && cmake --preset "$1" && ninja -C "build/$1" "${@:2}"; }

# The presets of later kinds are built while contract tests and scenarios wait, with the time that these leave.
# Only one chain at a time, and the first that needs one of them waits for all: benches have the machine alone.
AHEAD=
build_ahead() {
    local kind presets=()
    [ -z "$AHEAD" ] || return 0
    for kind in "${KINDS[@]}"; do
        case $kind in
            bench) presets+=("release all bench-tools") ;;
            asan | fuzz) presets+=("$kind") ;;
        esac
    done
    [ "${#presets[@]}" != 0 ] || return 0
    (
        renice -n 19 -p "$BASHPID"
        for kind in "${presets[@]}"; do
            # shellcheck disable=SC2086 # preset and targets
            (make_preset $kind) || true # it is tried again, and told, when its turn comes
        done
    ) >"$WORK/build-ahead.log" 2>&1 </dev/null &
    AHEAD=$!
}

# build PRESET [TARGET]...: as make_preset, counts as a result of its own. Code 1 when it failed.
build() {
    local log=$WORK/build-$1.log
    if [ "${BUILT[$1]:-}" = yes ]; then
        return 0
    fi
    if [ "$1" != debug ] && [ -n "$AHEAD" ]; then
        wait "$AHEAD"
    fi
    if (make_preset "$@") >"$log" 2>&1 </dev/null; then
        BUILT[$1]=yes
        count_line "ok build $1"
        return 0
    fi
    grep -E 'error|FAILED|warning' "$log" | head -40
    tail -5 "$log"
    count_line "not ok build $1 (${log#"$TOP"/})"
    return 1
}

# ctest_results: turns ctest's lines into "ok NAME", "not ok NAME", "skip NAME"; keeps the others.
ctest_results() {
    sed -E -e 's/^ *[0-9]+\/[0-9]+ +Test +#[0-9]+: ([^ ]+) \.* *Passed.*/ok \1/' \
        -e 's/^ *[0-9]+\/[0-9]+ +Test +#[0-9]+: ([^ ]+) \.*\** *\**Skipped.*/skip \1/' \
        -e 's/^ *[0-9]+\/[0-9]+ +Test +#[0-9]+: ([^ ]+) \.*.*/not ok \1/' \
        -e '/^ *Start +[0-9]+:/d' -e '/^Test project/d' -e '/^Internal ctest/d'
}

# run_ctest PRESET LABELS PREFIX: runs the programs with one of the labels (a regular expression), more at once
# than there are processors: they wait for most of their time.
run_ctest() {
    count_lines < <(ctest --test-dir "$TOP/build/$1" -L "$2" -j "$((2 * $(nproc)))" --output-on-failure \
        --no-tests=ignore </dev/null 2>&1 | ctest_results | sed -E "s/^(ok|not ok|skip) /\1 $3/" |
        grep -vE '^$|tests passed|tests failed|^Total|^Label|sec\*proc|^The following|^	|^Errors while')
}

kind_static() {
    (cd "$TOP" && cmake --preset debug) >"$WORK/configure.log" 2>&1 || {
        cat "$WORK/configure.log"
        count_line "not ok configure debug"
        return
    }
    # Headers that the build makes are there only after it.
    build debug || return
    count_lines < <("$TOP/tools/check/all" "${QUICK[@]}" "$TOP/build/debug" 2>&1 |
        sed -E 's/^(ok|not ok) /\1 check: /')
}

kind_unit() { build debug && run_ctest debug '^unit$' ''; }
kind_contract() { build debug && build_ahead && run_ctest debug '^contract$' ''; }
# The scenarios on a real control plane count one by one.
kind_interop() {
    build debug || return
    run_ctest debug '^interop$' ''
    if is_root "interop: kubernetes"; then
        count_lines < <(scenario debug interop interop/kubernetes/run)
    fi
}
kind_sim() { build debug && run_ctest debug '^sim$' ''; }
kind_asan() { build asan && run_ctest asan '^(unit|contract)$' 'asan: '; }

# fuzz_one PROGRAM SECONDS: prints a result line.
fuzz_one() {
    local name=${1##*/fuzz.} dir=$WORK/fuzz/${1##*/fuzz.} seeds=()
    mkdir -p "$dir/corpus" "$dir/found"
    [ ! -d "$TOP/tests/fuzz/corpus/$name" ] || seeds=("$TOP/tests/fuzz/corpus/$name")
    if (cd "$TOP" && "$1" -max_total_time="$2" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$dir/found/" "$dir/corpus" "${seeds[@]}") >"$dir/log" 2>&1 </dev/null; then
        echo "ok fuzz: $name"
    else
        tail -30 "$dir/log"
        echo "not ok fuzz: $name (${dir#"$TOP"/}/log)"
    fi
}

kind_fuzz() {
    local seconds=20
    [ "${#QUICK[@]}" = 0 ] || seconds=5
    build fuzz || return
    export -f fuzz_one
    export TOP WORK
    # shellcheck disable=SC2016 # expanded by the inner shell
    count_lines < <(find "$TOP/build/fuzz/fuzz" -name 'fuzz.*' -type f -perm -u+x 2>/dev/null | sort |
        xargs -r -P "$(nproc)" -I '{}' bash -c 'fuzz_one "$1" "$2"' fuzz '{}' "$seconds")
}

# scenario PRESET KIND PROGRAM: runs one; a scenario is a program below tests/ that prints result lines,
# see tests/system/README.md. What it printed comes in one piece when it has ended.
scenario() {
    local code log name=${3##*/}
    log=$(mktemp "$WORK/scenario.XXXXXX")
    CORACLE_PRESET=$1 "$TOP/tests/$3" 2>&1 </dev/null | sed -E "s/^(ok|not ok|skip) /\1 $2: $name: /" >"$log"
    code=${PIPESTATUS[0]}
    [ "$code" = 0 ] || [ "$code" = 1 ] || echo "not ok $2: $name: ended with code $code" >>"$log"
    flock "$WORK" sed "1i -- $2: $name" "$log"
    rm "$log"
}

# scenarios PRESET KIND PROGRAM...: as many at once as there are processors: they wait for most of their time.
scenarios() {
    export -f scenario
    export TOP WORK
    # shellcheck disable=SC2016 # expanded by the inner shell
    count_lines < <(printf '%s\n' "${@:3}" |
        xargs -r -P "$(nproc)" -I '{}' bash -c 'scenario "$@"' scenario "$1" "$2" '{}')
}

# listed FOLDER: the scenarios that its list names.
listed() { sed "s/#.*//; /^ *\$/d; s#^#$1/#" "$TOP/tests/$1/list"; }

is_root() {
    [ "$(id -u)" = 0 ] && return 0
    count_line "skip $1: needs root"
    return 1
}

kind_system() {
    build debug && is_root system || return
    local programs
    mapfile -t programs < <(listed system)
    scenarios debug system "${programs[@]}"
}

# The short forms; tests/torture/README.md has the long ones.
kind_torture() {
    build debug && is_root torture || return
    local programs
    mapfile -t programs < <(listed torture)
    scenarios debug torture "${programs[@]}"
}

# The short forms of tests/bench/list on the release build, judged by tests/bench/budgets.
kind_bench() { build release all bench-tools && is_root bench && count_lines < <(scenario release bench bench/short); }
