#ifndef CMD_INIT_H
#define CMD_INIT_H

#include "cmd_ca.h"
#include "pki_ca.h"

/*
 * A key of a CA that waits for its certificate from an outside CA: init makes
 * the first one so, rollover a later one.
 */

/* PEM of the request for this key, to out. */
int cmd_waiting_request(const struct pki_want *w, EVP_PKEY *key,
    const char *out, bool force, struct err *e);

/* The certificate that has come for the key that waits: the first of file,
 * which has those above it too, or `trust` has.  What was active becomes old.
 * Exit status. */
int cmd_waiting_end(const char *store, const char *file,
    const struct opt_list *trust, const char *pass_file);

/* Certificate and key, DER and PEM or URI. */
struct secret *cmd_ca_key_text(EVP_PKEY *key, const char *uri,
    const struct secret *pass, struct err *e);

#endif
