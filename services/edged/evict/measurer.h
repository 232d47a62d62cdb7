// SPDX-License-Identifier: Apache-2.0
// Measures now and then what Pods with limits of local storage have written, in a child process,
// and ends those that have written too much. Loop thread only.
#ifndef EDGED_MEASURER_H
#define EDGED_MEASURER_H

struct agent;
struct measurer;

/* Starts. Borrows agent. Returns owned. */
struct measurer *measurer_new(struct agent *agent);

/* Stops, after the runtime's client has gone. *measurer becomes NULL. */
void measurer_free(struct measurer **measurer);

#endif
