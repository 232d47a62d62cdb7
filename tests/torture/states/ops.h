// SPDX-License-Identifier: Apache-2.0
// The log that the recorder (preload/record.c) writes and powercut reads: one header per operation,
// then len bytes (data of a write, path of an open).
#ifndef TORTURE_OPS_H
#define TORTURE_OPS_H

#include <stdint.h>

enum op_kind {
    OP_OPEN = 1, /* file: a new number; data: its path below the folder */
    OP_WRITE,
    OP_TRUNCATE, /* offset: the new length */
    OP_SYNC,     /* it has returned */
    OP_UNLINK,
    OP_ACK, /* the process is about to say yes: an MQTT PUBACK */
};

struct op {
    uint32_t kind;
    uint32_t file;
    uint64_t offset;
    uint64_t len;
};

#endif
