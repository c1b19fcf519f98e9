#ifndef DMVPN_GRE_PRIV_SERVE_H
#define DMVPN_GRE_PRIV_SERVE_H

#include "priv_half.h"

/*
 * One request of the packet half, checked and done.  out is the report;
 * *fds and *n are set when descriptors of the kernel state go with it (they
 * stay owned there).  Not for the requests that concern the half itself
 * (ready, pulse, stop, notes).
 */
void priv_serve(struct priv_kernel *k, const struct priv_request *r,
    struct priv_report *out, const int **fds, size_t *n);

/* The record that tells of a link. */
void priv_report_link(const struct priv_link *l, struct priv_report *out);

#endif
