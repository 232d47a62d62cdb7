# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The services' configuration files: all options with their documentation, as each service prints
# them, with our values. A file that is there is the user's and stays as it is.

# yaml KEY=VALUE...: prints a YAML file. Keys may be dotted; those of a section stand together.
yaml() {
    local setting key section='' now
    for setting; do
        key=${setting%%=*} now=''
        [ "$key" = "${key#*.}" ] || now=${key%%.*}
        [ -z "$now" ] || [ "$now" = "$section" ] || echo "$now:"
        section=$now
        echo "${now:+  }${key#*.}: ${setting#*=}"
    done
}

# config_write SERVICE FILE [KEY=VALUE]...: writes it unless it is there; then checks it.
config_write() {
    local service=$1 file=$2 told
    shift 2
    if [ ! -e "$file" ]; then
        yaml "$@" >"$file.ours"
        told=$("$BIN/$service" --config "$file.ours" --dump-config 2>&1 >"$file.new") ||
            die "$service" "${told//$'\n'/ }" "Programs and deploy/ are of different versions; build again"
        chmod 0644 "$file.new"
        mv "$file.new" "$file"
        rm -f "$file.ours"
    fi
    told=$("$BIN/$service" --config "$file" --check 2>&1) ||
        die "$file" "${told//$'\n'/ }" "Mend or remove it and run up again"
}
