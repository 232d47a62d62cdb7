// SPDX-License-Identifier: Apache-2.0
// No guard: include before a .def file to see its MESSAGE rows only. The includer defines MESSAGE.
#define TYPE(...)
#define BOOL(...)
#define U64(...)
#define I64(...)
#define STR(...)
#define BIN(...)
#define STRS(...)
#define LIST(...)
#define END(...)
