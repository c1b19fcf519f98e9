#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "cmd_issue.h"
#include "pki_key.h"
#include "sys/loop.h"

#define DAY 86400

/* The certificate that is renewed, and what a new one takes from it. */
struct renewal {
	char		 name[64], profile[16];
	int64_t		 length;		/* seconds */
	struct cert	*cert;
	size_t		 seen;			/* revoked ones too */
	char		*sans[PKI_SANS_MAX];	/* owned */
};

/* Rows come oldest first. */
static int
on_row(void *arg, const struct pki_row *row)
{
	struct renewal *r = arg;
	struct cert *c;

	r->seen++;
	if (row->revoked != 0 || (c = cert_parse(row->der, NULL)) == NULL)
		return 0;
	cert_free(r->cert);
	r->cert = c;
	r->length = row->to - row->from;
	memcpy(r->name, row->name, sizeof(r->name));
	memcpy(r->profile, row->profile, sizeof(r->profile));
	return 0;
}

static void
renewal_fini(struct renewal *r)
{
	size_t i;

	for (i = 0; i < PKI_SANS_MAX; i++)
		free(r->sans[i]);
	cert_free(r->cert);
}

static char *
san_text(const GENERAL_NAME *g)
{
	struct addr_buf ab;
	struct addr a;

	if (g->type == GEN_IPADD) {
		a = addr_of(ASN1_STRING_get0_data(g->d.iPAddress),
		    (size_t)ASN1_STRING_length(g->d.iPAddress));
		return strdup(addr_text(&a, &ab));
	}
	return strndup((const char *)ASN1_STRING_get0_data(g->d.ia5),
	    (size_t)ASN1_STRING_length(g->d.ia5));
}

static int
take_names(struct renewal *r, struct pki_want *w, struct err *e)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert_x509(r->cert),
	    NID_subject_alt_name, NULL, NULL);
	int i, rc = 0;

	for (i = 0; rc == 0 && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (i == PKI_SANS_MAX || (g->type != GEN_DNS && g->type !=
		    GEN_EMAIL && g->type != GEN_IPADD))
			rc = err_set(e, ENOTSUP, "it has names that renew "
			    "does not make: issue it anew");
		else if ((r->sans[i] = san_text(g)) == NULL)
			rc = err_set(e, ENOMEM, "out of memory");
		else
			rc = pki_want_san(w, g->type, r->sans[i], e);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return rc;
}

static int
find(struct cmd_ca *c, const char *what, struct renewal *r, struct err *e)
{
	if (pki_store_each(c->store, what, on_row, r, e) < 0)
		return -1;
	if (r->cert != NULL)
		return 0;
	return err_set(e, ENOENT, r->seen > 0 ? "all certificates of %s are "
	    "revoked: issue a new one if it may come back" :
	    "there is no certificate of %s", what);
}

/* Same names, blocks and profile; as long as the old one if not told. */
static int
take_all(struct renewal *r, struct pki_want *w, uint64_t days,
    struct err *e)
{
	if (days == 0)
		days = (uint64_t)(r->length / DAY);
	w->name = r->name;
	if ((w->profile = pki_profile_find(r->profile, e)) == NULL ||
	    take_names(r, w, e) < 0 ||
	    blocks_of(r->cert, &w->blocks, e) < 0)
		return err_in(e, "%s", r->name);
	return pki_want_days(w, clock_wall(), days > 0 ? days : 1, e);
}

static EVP_PKEY *
key_of_file(const struct renewal *r, const char *path, const char *pass_file,
    struct err *e)
{
	struct pki_bundle b = { .key = NULL };
	const unsigned char *p;
	EVP_PKEY *k = NULL;

	if (cmd_bundle(&b, path, pass_file, e) == 0) {
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
new_key(const struct renewal *r, const char *type, struct err *e)
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
	struct renewal r = { .seen = 0 };
	struct pki_want w = { .n_sans = 0 };
	EVP_PKEY *key = NULL;
	bool own = o->key != NULL || !o->same_key;
	int rc = -1;

	if (find(c, what, &r, e) == 0 &&
	    take_all(&r, &w, o->issue.days, e) == 0) {
		key = o->key != NULL ? key_of_file(&r, o->key,
		    o->key_file_pass, e) : o->same_key ?
		    X509_get_pubkey((X509 *)(uintptr_t)cert_x509(r.cert)) :
		    new_key(&r, o->issue.type, e);
		if (key != NULL)
			rc = cmd_issue_to(c, &o->issue, &w, key, own, e);
	}
	EVP_PKEY_free(key);
	renewal_fini(&r);
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
