// SPDX-License-Identifier: Apache-2.0
#include "proto/stream/credit.h"

enum { SEND_MAX = 16 * 1024 * 1024 };

void px_credit_gain(struct px_credit *credit, uint64_t bytes)
{
    uint64_t most = SEND_MAX - credit->send;
    credit->send += bytes < most ? bytes : most;
}

bool px_credit_heard(struct px_credit *credit, size_t bytes)
{
    if (bytes > credit->hear) {
        return false;
    }
    credit->hear -= bytes;
    return true;
}

uint64_t px_credit_took(struct px_credit *credit, size_t bytes)
{
    credit->taken += bytes;
    if (credit->taken < PX_STREAM_WINDOW / 4) {
        return 0;
    }
    uint64_t tell = credit->taken;
    credit->taken = 0;
    credit->hear += tell;
    return tell;
}
