// SPDX-License-Identifier: Apache-2.0
// No guard: include before a .def file to declare its field tables. The includer defines
// DEF_TABLE(name).
#define MESSAGE(name, number, class_, reply, doc) extern const struct cor_table DEF_TABLE(name);
#define TYPE(name, doc) extern const struct cor_table DEF_TABLE(name);
#define BOOL(...)
#define U64(...)
#define I64(...)
#define STR(...)
#define BIN(...)
#define STRS(...)
#define LIST(...)
#define END(...)
