// SPDX-License-Identifier: Apache-2.0
// No guard: include behind a .def file to take the row macros back.
#undef MESSAGE
#undef TYPE
#undef BOOL
#undef U64
#undef I64
#undef STR
#undef BIN
#undef STRS
#undef LIST
#undef END
#undef DEF_NEED_REQ
#undef DEF_NEED_OPT
#undef DEF_NEED_KEY
#undef DEF_FIELDS_
#undef DEF_FIELDS
#undef DEF_ROW
