# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Building the programs and putting them where every service's user can run them.

build() {
    local log=$LOGS/build.log
    if [ "${CORACLE_BUILT:-no}" = yes ]; then
        return 0
    fi
    step "building ($CORACLE_PRESET)"
    if ! (cd "$TOP" && cmake --preset "$CORACLE_PRESET" && ninja -C "$BUILD") >"$log" 2>&1 </dev/null; then
        die "build failed" "$(grep -m1 -E 'error|FAILED' "$log" || last_line "$log")" "See $log"
    fi
}

# put FROM TO MODE: replaces TO at once when it differs. Code 1: it did not.
put() {
    if cmp -s "$1" "$2"; then
        return 1
    fi
    install -D -m "$3" "$1" "$2.new"
    mv -f "$2.new" "$2"
}

install_programs() {
    local program name
    step "installing programs in $LIB"
    for program in "$BUILD"/bin/*; do
        name=${program##*/}
        put "$program" "$BIN/$name" 0755 || true
    done
    put "$TOP/deploy/s6/log" "$LIB/s6/log" 0755 || true
    mkdir -p "$CORACLE_PREFIX/bin"
    for name in coracle zmqtap; do
        [ ! -x "$BIN/$name" ] || ln -sfn "../lib/coracle/bin/$name" "$CORACLE_PREFIX/bin/$name"
    done
}

remove_programs() {
    local name
    for name in coracle zmqtap; do
        [ ! -L "$CORACLE_PREFIX/bin/$name" ] || rm -f "$CORACLE_PREFIX/bin/$name"
    done
    rm -rf "$LIB"
}
