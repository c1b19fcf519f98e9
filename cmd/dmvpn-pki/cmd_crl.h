#ifndef CMD_CRL_H
#define CMD_CRL_H

#include "cmd.h"
#include "crypto/cert.h"

struct conn;

/* All CRLs of a file, PEM or one in DER, added to s. */
int cmd_crls_read(struct crl_set *s, const char *path, struct err *e);

/* Hand them to the running agent, for this identity, or ("") for all that know
 * their issuers.  Exit status; the reason is printed. */
int cmd_crls_send(const struct crl_set *s, const char *identity);

/* One of them; 0, or -1 with *why and e. */
int cmd_crl_send(struct conn *c, const struct crl *crl, const char *identity,
    struct reason *why, struct err *e);

/* The same for the files of a list, all read before one is sent. */
int cmd_crls_load(const struct opt_list *files, const char *identity);

/* To the ring of an agent that starts. */
struct pki_ring;
int cmd_crls_preload(struct pki_ring *r, const struct opt_list *files,
    struct err *e);

#endif
