#ifndef CMD_ISSUE_H
#define CMD_ISSUE_H

#include <openssl/evp.h>

#include "cmd_ca.h"

struct issue_opts {
	const char	*store, *pass_file, *profile, *type, *out;
	const char	*key_pass;
	struct opt_list	 dns, ips, emails, tunnels, subnets;
	uint64_t	 days, as;
	bool		 force, no_names, encrypt;
};

#define ISSUE_OPTS(o)							\
	CMD_STORE_OPT(&(o).store), CMD_PASS_OPT(&(o).pass_file),	\
	{ 'p', "profile", "NAME", PKI_PROFILES, OPT_TEXT, &(o).profile,	\
	    0, 0 },							\
	{ 'D', "dns", "NAME", "subjectAltName; NAME itself when none is "	\
	    "given", OPT_LIST, &(o).dns, 0, 0 },			\
	{ 'I', "ip", "ADDRESS", "subjectAltName", OPT_LIST, &(o).ips, 0, 0 }, \
	{ 'E', "email", "ADDRESS", "subjectAltName", OPT_LIST,		\
	    &(o).emails, 0, 0 },					\
	{ 0, "no-names", NULL, "no subjectAltName: the identity is the DN", \
	    OPT_FLAG, &(o).no_names, 0, 0 },				\
	{ 'T', "tunnel-address", "ADDRESS", "the peer may have it on the "	\
	    "tunnel", OPT_LIST, &(o).tunnels, 0, 0 },			\
	{ 'S', "subnet", "PREFIX", "the peer may have it behind it",	\
	    OPT_LIST, &(o).subnets, 0, 0 },				\
	{ 0, "as", "NUMBER", "its autonomous system", OPT_NUM, &(o).as,	\
	    1, UINT32_MAX - 1 },					\
	{ 'd', "days", "DAYS", "how long it is valid", OPT_NUM, &(o).days, \
	    1, PKI_DAYS_MAX },						\
	{ 'o', "out", "FILE", "where it goes; \"-\" is standard output",	\
	    OPT_TEXT, &(o).out, 0, 0 },					\
	{ 'f', "force", NULL, "replace FILE", OPT_FLAG, &(o).force, 0, 0 }
#define ISSUE_KEY_OPTS(o)						\
	{ 'k', "key-type", "TYPE", PKI_KEY_TYPES, OPT_TEXT, &(o).type,	\
	    0, 0 },							\
	{ 0, "key-passphrase-file", "FILE", "its first line locks the "	\
	    "new key", OPT_TEXT, &(o).key_pass, 0, 0 },			\
	{ 'e', "encrypt", NULL, "ask for a passphrase that locks the "	\
	    "new key", OPT_FLAG, &(o).encrypt, 0, 0 }

/* What the options want, checked. */
int cmd_issue_take(struct pki_want *w, const struct issue_opts *o,
    struct err *e);

/* A certificate, its row and that of the audit, in the transaction that is
 * open. */
X509 *cmd_issue_make(struct cmd_ca *c, struct pki_want *w, EVP_PKEY *key,
    char serial[48], struct err *e);

/* Nobody got it: its row goes, and the audit says so. */
void cmd_issue_undo(struct cmd_ca *c, const char *name, const char *serial);

/* Key (own, or NULL), certificate, what leads to an anchor, the anchors: one
 * PEM text. */
struct secret *cmd_issue_bundle(struct cmd_ca *c, X509 *x, EVP_PKEY *own,
    const struct secret *pass, struct err *e);

/* Each line of a file; exit status. */
int cmd_batch(const struct issue_opts *base, const char *path);

/* Issue for this key, record, and put into o->out; own: the key goes there
 * too.  The CA is unlocked here. */
int cmd_issue_to(struct cmd_ca *c, const struct issue_opts *o,
    struct pki_want *w, EVP_PKEY *key, bool own, struct err *e);

#endif
