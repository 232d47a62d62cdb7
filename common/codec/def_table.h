// SPDX-License-Identifier: Apache-2.0
// No guard: include before a .def file to turn its rows into field tables. The includer defines
// DEF_NAME(name), the struct, and DEF_TABLE(name), the table's name (extern const, declared
// before).
//
// Rows of a .def file:
//   MESSAGE(name, number, class, reply message or none, "doc")   a message
//   TYPE(name, "doc")                                            a structure inside messages
//   BOOL|U64|I64(of, key, field, need, "doc")
//   STR|BIN(of, key, field, max bytes, need, "doc")
//   STRS(of, key, field, max elements, need, "doc")
//   LIST(of, key, field, max elements, type, need, "doc")
//   END(name)
// of repeats the name of the message; key is the number on the wire, ascending; need is REQ, OPT or
// KEY (required, and the key by which STATE messages replace each other).
#define DEF_NEED_REQ .required = true
#define DEF_NEED_OPT .required = false
#define DEF_NEED_KEY .required = true, .is_key = true
#define DEF_FIELDS_(name) name##_fields
#define DEF_FIELDS(name) DEF_FIELDS_(name)
#define DEF_ROW(of, k, field, t, limit, table, need, text)                                         \
    {.name = #field,                                                                               \
     .sub = (table),                                                                               \
     .doc = (text),                                                                                \
     .max = (limit),                                                                               \
     .offset = (uint16_t)offsetof(struct DEF_NAME(of), field),                                     \
     .key = (k),                                                                                   \
     .type = (t),                                                                                  \
     DEF_NEED_##need},
#define MESSAGE(name, number, class_, reply, doc)                                                  \
    static const struct cor_field DEF_FIELDS(name)[] = {
#define TYPE(name, doc) static const struct cor_field DEF_FIELDS(name)[] = {
#define BOOL(of, key, field, need, doc) DEF_ROW(of, key, field, COR_T_BOOL, 0, NULL, need, doc)
#define U64(of, key, field, need, doc) DEF_ROW(of, key, field, COR_T_U64, 0, NULL, need, doc)
#define I64(of, key, field, need, doc) DEF_ROW(of, key, field, COR_T_I64, 0, NULL, need, doc)
#define STR(of, key, field, max, need, doc) DEF_ROW(of, key, field, COR_T_STR, max, NULL, need, doc)
#define BIN(of, key, field, max, need, doc) DEF_ROW(of, key, field, COR_T_BIN, max, NULL, need, doc)
#define STRS(of, key, field, max, need, doc)                                                       \
    DEF_ROW(of, key, field, COR_T_STRS, max, NULL, need, doc)
#define LIST(of, key, field, max, type, need, doc)                                                 \
    DEF_ROW(of, key, field, COR_T_LIST, max, &DEF_TABLE(type), need, doc)
#define END(name_)                                                                                 \
    }                                                                                              \
    ;                                                                                              \
    const struct cor_table DEF_TABLE(name_) = {.name = #name_,                                     \
                                               .fields = DEF_FIELDS(name_),                        \
                                               .count = COR_COUNT(DEF_FIELDS(name_)),              \
                                               .size = sizeof(struct DEF_NAME(name_))};
