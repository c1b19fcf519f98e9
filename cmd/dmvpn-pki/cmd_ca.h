#ifndef CMD_CA_H
#define CMD_CA_H

#include "cmd.h"
#include "pki_issue.h"
#include "pki_store.h"

/* The store and the CA in it, with its key when that was asked for. */
struct cmd_ca {
	struct pki_store	*store;
	struct pki_ca		 ca;
};

#define CMD_STORE_OPT(to) { 's', "store", "FILE", \
    "the CA's store, else $DMVPN_STORE, else dmvpn-ca.db", OPT_TEXT, (to), \
    0, 0 }
#define CMD_PASS_OPT(to) { 'P', "passphrase-file", "FILE", \
    "its first line opens the CA's key", OPT_TEXT, (to), 0, 0 }
#define CMD_JSON_OPT(to) { 'j', "json", NULL, "one JSON object a line", \
    OPT_FLAG, (to), 0, 0 }

const char *cmd_store_path(const char *option);

/* Exit status; e says what is wrong. */
int cmd_ca_open(struct cmd_ca *c, const char *store, struct err *e);
/* The key too; a transaction is open afterwards, so that one works at it. */
int cmd_ca_unlock(struct cmd_ca *c, const char *pass_file, struct err *e);
void cmd_ca_close(struct cmd_ca *c);

/* The organisation of the CA, for those that it issues; or NULL. */
const char *cmd_ca_organisation(const struct cmd_ca *c, char *out,
    size_t len);

/* PEM of a certificate or CRL, added to what is in b. */
int cmd_pem_cert(BIO *b, X509 *x, struct err *e);

/* 100 for what the caller did wrong, 1 for a no, 111 else. */
int cmd_status_of(const struct err *e);

#endif
