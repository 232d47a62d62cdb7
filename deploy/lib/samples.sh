# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The last part of up: samples, and what to try.

finish_up() {
    step "up"
}
