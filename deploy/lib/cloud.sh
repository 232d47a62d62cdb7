# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The cloud side: the embedded Kubernetes API and the services that talk to it.

cloud_up() {
    make_folders cloud "$CORACLE_ETC" "$CORACLE_STATE" "$CORACLE_RUN"
}
