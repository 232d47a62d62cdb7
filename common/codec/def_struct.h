// SPDX-License-Identifier: Apache-2.0
// No guard: include before a .def file to turn its rows into structs. The includer defines
// DEF_NAME(name), the name of a struct. See def_table.h for the rows.
#define MESSAGE(name, number, class_, reply, doc) struct DEF_NAME(name) {
#define TYPE(name, doc) struct DEF_NAME(name) {
#define BOOL(of, key, field, need, doc) bool field;
#define U64(of, key, field, need, doc) uint64_t field;
#define I64(of, key, field, need, doc) int64_t field;
#define STR(of, key, field, max, need, doc) struct cor_view field;
#define BIN(of, key, field, max, need, doc) struct cor_view field;
#define STRS(of, key, field, max, need, doc) struct cor_views field;
#define LIST(of, key, field, max, sub, need, doc) struct cor_list field;
#define END(name)                                                                                  \
    }                                                                                              \
    ;
