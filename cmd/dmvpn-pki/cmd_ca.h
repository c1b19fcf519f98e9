#ifndef CMD_CA_H
#define CMD_CA_H

#include "cmd.h"
#include "pki_audit.h"
#include "pki_issue.h"
#include "pki_store.h"

/* The store and the CA in it, with its key when that was asked for. */
struct cmd_ca {
	struct pki_store	*store;
	struct pki_ca		 ca;
	int64_t			 generation;	/* of the key that issues */
	struct secret		*pass;		/* what opened it, or NULL */
	struct cert_set		 above;		/* once asked for: cmd_issue */
	const char		*command;	/* for the audit: "issue", ... */
};

#define CMD_STORE_OPT(to) { 's', "store", "FILE", \
    "the CA's store, else $DMVPN_STORE, else dmvpn-ca.db", OPT_TEXT, (to), \
    0, 0 }
#define CMD_PASS_OPT(to) { 'P', "passphrase-file", "FILE", \
    "its first line opens the CA's key", OPT_TEXT, (to), 0, 0 }
#define CMD_URL_OPTS(crl, n, ocsp)					\
	{ 0, "crl-url", "URL", "where revocation lists are; in all that is "	\
	    "issued", OPT_TEXT, (crl), 0, 0 },				\
	{ 0, "crl-partitions", "N", "divide the lists, 0 to 60", OPT_TEXT,	\
	    (n), 0, 0 },						\
	{ 0, "ocsp-url", "URL", "who answers OCSP; in all that is issued", \
	    OPT_TEXT, (ocsp), 0, 0 }
#define CMD_JSON_OPT(to) { 'j', "json", NULL, "one JSON object a line", \
    OPT_FLAG, (to), 0, 0 }

const char *cmd_store_path(const char *option);

/* Exit status; e says what is wrong. */
int cmd_ca_open(struct cmd_ca *c, const char *store, struct err *e);
/* Its key, with nothing locked; then a transaction, so that one works at it:
 * EAGAIN when the CA has another key by then. */
int cmd_ca_key(struct cmd_ca *c, const char *pass_file, struct err *e);
int cmd_ca_begin(struct cmd_ca *c, struct err *e);
/* Both. */
int cmd_ca_unlock(struct cmd_ca *c, const char *pass_file, struct err *e);
void cmd_ca_close(struct cmd_ca *c);

/* Keys that have issued before and only sign lists now, with the passphrase
 * that opened the one in use; fn as for pki_store_each. */
int cmd_ca_each_old(struct cmd_ca *c, int (*fn)(void *arg,
    const struct pki_ca *ca, int64_t generation), void *arg, struct err *e);

/* A private key in PEM or by its URI.  A passphrase or PIN that is wanted comes
 * from pass_file or the terminal; *pass gets it, or has it already. */
EVP_PKEY *cmd_key_open(const char *text, size_t len, const char *pass_file,
    struct secret **pass, struct err *e);

/* The organisation of the CA, for those that it issues; or NULL. */
const char *cmd_ca_organisation(const struct cmd_ca *c, char *out,
    size_t len);

/* PEM of a certificate or CRL, added to what is in b. */
int cmd_pem_cert(BIO *b, X509 *x, struct err *e);
int cmd_pem_certs(BIO *b, const struct cert_set *s, struct err *e);

/* What goes after a certificate of the CA: the chain, then the anchors. */
int cmd_ca_above(struct pki_store *s, struct cert_set *out, struct err *e);

/* The settings of these options, in the transaction that is open; NULL: it
 * stays as it is. */
int cmd_settings_put(struct pki_store *s, const char *crl_url,
    const char *partitions, const char *ocsp_url, struct err *e);

/* A row of the audit about what the command line `who` ("issue", "revoke", ...)
 * did; `about` has name, serial number and why, which may be NULL.  In the
 * transaction that is open, or by itself. */
int cmd_note(struct pki_store *s, enum pki_audit_what what, const char *who,
    const struct pki_audit_row *about, struct err *e);

/* 100 for what the caller did wrong, 1 for a no, 111 else. */
int cmd_status_of(const struct err *e);

#endif
