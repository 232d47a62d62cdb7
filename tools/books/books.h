// SPDX-License-Identifier: Apache-2.0
// Adding up the books of all services (the answers of their ctl verb "ledger", see
// common/ledger/ledger.h): sums, and what is wrong. Pure.
#ifndef TOOL_BOOKS_H
#define TOOL_BOOKS_H

#include "common/base/buf.h"
#include "common/json/json.h"

/* Name of column i of a row, in the order in which they are shown; NULL behind the last. */
const char *tool_books_column(size_t i);

/* Sums by folder, flow, role and service of list, [{"service","folder","balance","rows"}]: an
 * object of objects {"folder","service","flow","role","durable",<columns>,"balance"}. Returns
 * owned. */
struct cor_json *tool_books_sum(const struct cor_json *list);

/* Order in which services are to be asked, so that what one says is confirmed the next one knows:
 * origins first, sinks last. Less is earlier. */
int tool_books_rank(const char *service);

/* Appends what is wrong, a line each; true at any moment if services were asked by rank:
 * - books that do not balance;
 * - a stream of which a service has been told that more is confirmed than the next one on its way
 *   has itself: the next one has confirmed what it should not have. */
void tool_books_alarm(const struct cor_json *list, struct cor_buf *wrongs);

/* The same, and what must be so only when nothing is under way: what the durable origin of a flow
 * calls delivered the durable sink in the same folder calls accepted. */
void tool_books_check(const struct cor_json *list, struct cor_buf *wrongs);

#endif
