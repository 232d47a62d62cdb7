#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Of every command: its --help and its end, what it does with an option that it does not have, and
# that bash completes each option that --help shows. Prints what is wrong.
set -u
complain() { printf '%s\n' "$*"; }

# The options that a --help shows, but those that every program has.
options() { sed -nE 's/^ {2,6}(-[a-z], )?(--[a-z-]+).*/\2/p' | grep -vxE -- '--help|--usage'; }

of_command() {
    local command=$1 option
    coracle "$command" --help >help 2>complaint || complain "$command --help: exit code $?"
    [ -s complaint ] && complain "$command --help complains: $(cat complaint)"
    coracle "$command" --no-such-option >out 2>complaint
    local code=$?
    [ "$code" = 100 ] || complain "$command --no-such-option: exit code $code"
    [ -s out ] && complain "$command --no-such-option prints: $(cat out)"
    [ "$(head -n 1 complaint)" = "coracle $command: unrecognized option '--no-such-option'" ] ||
        complain "$command --no-such-option says: $(cat complaint)"
    COMP_WORDS=(coracle "$command" --) COMP_CWORD=2
    _coracle
    for option in $(options <help); do
        offered=$((offered + 1))
        printf '%s\n' "${COMPREPLY[@]}" | grep -qxF -- "$option" ||
            complain "$command: $option is not completed"
    done
}

# shellcheck disable=SC1090 # it is printed by what is tested
. <(coracle completion bash)
commands=$(coracle --help | sed -nE '/^Commands:/,/^$/ s/^  ([a-z-]+) .*/\1/p')
offered=0
for command in $commands; do
    of_command "$command"
done
COMP_WORDS=(coracle '') COMP_CWORD=1
_coracle
[ "$(printf '%s\n' "${COMPREPLY[@]}" | sort)" = "$(printf '%s\n' "$commands" | sort)" ] ||
    complain "commands: ${COMPREPLY[*]} are completed, there are $commands"
[ "$(printf '%s\n' "$commands" | wc -l)" -ge 11 ] || complain "no commands in --help: $commands"
[ "$offered" -ge 30 ] || complain "only $offered options in --help"
exit 0
