# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Counting what passed, failed and was skipped, across the kinds of tests.
PASSED=0 FAILED=0 SKIPPED=0 FAILURES=()

count_pass() { PASSED=$((PASSED + 1)); }
count_fail() { # name
    FAILED=$((FAILED + 1))
    FAILURES+=("$1")
}
count_skip() { SKIPPED=$((SKIPPED + 1)); }

# count_line LINE: counts a line "ok NAME", "not ok NAME" or "skip NAME"; others are no results.
count_line() {
    case $1 in
        "ok "*) count_pass ;;
        "not ok "*) count_fail "${1#not ok }" ;;
        "skip "*) count_skip ;;
    esac
}

# count_lines: counts such lines on stdin and shows all but those that passed.
count_lines() {
    local line
    while IFS= read -r line; do
        count_line "$line"
        case $line in "ok "*) ;; *) printf '%s\n' "$line" ;; esac
    done
}

# count_sum: names the failures; the last line is the sum. Code 1 when something failed.
count_sum() {
    local name
    for name in "${FAILURES[@]}"; do
        echo "failed: $name"
    done
    [ "$SKIPPED" = 0 ] || { echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"; }
    [ "$SKIPPED" != 0 ] || { echo "$PASSED passed, $FAILED failed"; }
    [ "$FAILED" = 0 ] && [ "$PASSED" != 0 ]
}
