#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "cmd_issue.h"
#include "pki_key.h"
#include "pki_make.h"
#include "sys/loop.h"

static EVP_PKEY *
key_of_file(const struct pki_again *r, const char *path, const char *pass_file,
    struct err *e)
{
	struct pki_bundle b = { .key = NULL };
	const unsigned char *p;
	EVP_PKEY *k = NULL;

	if (cmd_bundle(&b, path, pass_file, NULL, e) == 0) {
		p = b.key->b;
		k = d2i_AutoPrivateKey(NULL, &p, (long)b.key->len);
	}
	if (k != NULL && EVP_PKEY_eq(k, X509_get0_pubkey(
	    cert_x509(r->cert))) != 1) {
		EVP_PKEY_free(k);
		k = err_null(err_set(e, EINVAL, "%s: its key is not that of "
		    "the certificate that is renewed", path));
	} else if (k == NULL && e->code == 0)
		err_set(e, EBADMSG, "%s: no key", path);
	pki_bundle_fini(&b);
	ERR_clear_error();
	return k;
}

/* Of the same type as the old one. */
static EVP_PKEY *
new_key(const struct pki_again *r, const char *type, struct err *e)
{
	static const char *const types[] = { NULL, NULL, "p256", "p384",
	    "p521", "ed25519" };
	enum cert_key kind = cert_key_kind(r->cert);
	char rsa[16];

	if (type == NULL && kind == CERT_KEY_RSA) {
		snprintf(rsa, sizeof(rsa), "rsa%d", cert_key_bits(r->cert));
		type = rsa;
	} else if (type == NULL && kind != CERT_KEY_OTHER)
		type = types[kind];
	if (type == NULL)
		return err_null(err_set(e, EINVAL, "--key-type is wanted"));
	return pki_key_make(type, e);
}

struct renew_opts {
	struct issue_opts	 issue;
	const char		*key, *key_file_pass;
	bool			 same_key;
};

static int
renew(struct cmd_ca *c, const struct renew_opts *o, const char *what,
    struct err *e)
{
	struct pki_again r = { .seen = 0 };
	struct pki_want w = { .n_sans = 0 };
	EVP_PKEY *key = NULL;
	bool own = o->key != NULL || !o->same_key;
	char command[64];
	int rc = -1;

	if (pki_again_find(c->store, what, &r, e) == 0 &&
	    pki_again_want(&r, &w, clock_wall(), o->issue.days, e) == 0) {
		snprintf(command, sizeof(command), "renew %s", r.serial);
		c->command = command;
		key = o->key != NULL ? key_of_file(&r, o->key,
		    o->key_file_pass, e) : o->same_key ?
		    X509_get_pubkey((X509 *)(uintptr_t)cert_x509(r.cert)) :
		    new_key(&r, o->issue.type, e);
		if (key != NULL)
			rc = cmd_issue_to(c, &o->issue, &w, key, own, e);
	}
	EVP_PKEY_free(key);
	pki_again_fini(&r);
	return rc;
}

int
cmd_renew(int argc, char **argv)
{
	struct renew_opts o = { .issue = { .out = "-" } };
	const struct opt opts[] = {
		CMD_STORE_OPT(&o.issue.store),
		CMD_PASS_OPT(&o.issue.pass_file),
		{ 0, "same-key", NULL, "certify the same key again; the result "
		    "has no private key", OPT_FLAG, &o.same_key, 0, 0 },
		{ 0, "key", "FILE", "the same key, which FILE holds; it goes "
		    "into the result", OPT_TEXT, &o.key, 0, 0 },
		{ 0, "in-passphrase-file", "FILE", "opens the key in FILE",
		    OPT_TEXT, &o.key_file_pass, 0, 0 },
		{ 'k', "key-type", "TYPE", "of a new key; else as it was",
		    OPT_TEXT, &o.issue.type, 0, 0 },
		{ 0, "key-passphrase-file", "FILE", "its first line locks the "
		    "key", OPT_TEXT, &o.issue.key_pass, 0, 0 },
		{ 'd', "days", "DAYS", "how long it is valid; else as long as "
		    "the old one", OPT_NUM, &o.issue.days, 1, PKI_DAYS_MAX },
		{ 'o', "out", "FILE", "where it goes; \"-\" is standard output",
		    OPT_TEXT, &o.issue.out, 0, 0 },
		{ 'f', "force", NULL, "replace FILE", OPT_FLAG,
		    &o.issue.force, 0, 0 },
		OPT_END,
	};
	struct cmd_ca c = { .store = NULL };
	struct err e = { 0 };
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[OPTIONS] NAME|SERIAL", 1, 1,
	    &status) < 0)
		return status;
	if ((o.same_key || o.key != NULL) && o.issue.type != NULL)
		return command_usage("--key-type is for a new key");
	if (o.issue.type != NULL && pki_key_type_check(o.issue.type, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	if (cmd_ca_open(&c, o.issue.store, &e) == 0)
		rc = renew(&c, &o, argv[0], &e);
	cmd_ca_close(&c);
	return rc < 0 ? command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}
