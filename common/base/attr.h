// SPDX-License-Identifier: Apache-2.0
// Attributes in short words, and scope cleanup.
#ifndef COR_BASE_ATTR_H
#define COR_BASE_ATTR_H

#define COR_NODISCARD __attribute__((warn_unused_result))
#define COR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define COR_NONNULL __attribute__((nonnull))
#define COR_MALLOC __attribute__((malloc, returns_nonnull))
#define COR_UNUSED __attribute__((unused))
#define COR_NORETURN __attribute__((noreturn))

/* auto_(x_free) struct x *x = NULL;  calls x_free(&x) at the end of the scope. */
#define auto_(free_fn) __attribute__((cleanup(free_fn)))

/* take(&x): hands over what x owns; x becomes NULL. */
#define take(pp)                                                                                   \
    __extension__({                                                                                \
        __typeof__(*(pp)) taken_ = *(pp);                                                          \
        *(pp) = NULL;                                                                              \
        taken_;                                                                                    \
    })

#define COR_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define COR_CONTAINER(ptr, type, member)                                                           \
    __extension__({                                                                                \
        __typeof__(((type *)0)->member) *inner_ = (ptr);                                           \
        (type *)(void *)((char *)inner_ - offsetof(type, member));                                 \
    })

#endif
