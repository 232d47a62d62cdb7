// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: what devices report, on its way from the nodes to the controller. A report
// that fails because the controller or the API restarts is sent again until its time is over, so
// that the node need not find out by a timeout: KubeEdge's link has no word for "not yet". Loop
// thread only.
#ifndef CLOUDHUB_REPORTS_H
#define CLOUDHUB_REPORTS_H

#include "hub.h"

/* Whether a report that failed so may succeed later. Pure. */
bool reports_is_worth_it(enum cor_code code);

/* Returns owned. hub is borrowed and must outlive it. */
struct reports *reports_new(struct hub *hub);

/* Frees; none is sent any more. *reports becomes NULL. */
void reports_free(struct reports **reports);

/* Takes the report of message id of the node (borrows): it goes to the controller and is confirmed
 * to the node when it is in the API. One that cannot be kept is dropped: the node repeats it. */
void reports_take(struct reports *reports, struct session *session, const char *id,
                  struct cor_view device, enum px_report kind, struct cor_view body);

/* The controller has come: sends what waits. */
void reports_again(struct reports *reports);

/* How many are with the controller or wait. */
size_t reports_count(const struct reports *reports);

/* Tells the node that what it said about a device has arrived. */
void reports_confirm(struct session *session, const char *parent);

#endif
