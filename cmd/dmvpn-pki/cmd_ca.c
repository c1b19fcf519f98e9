#include "cmd_ca.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "pki_file.h"
#include "pki_key.h"
#include "pki_name.h"
#include "sys/loop.h"

const char *
cmd_store_path(const char *option)
{
	const char *env = getenv("DMVPN_STORE");

	return option != NULL ? option : env != NULL && env[0] != '\0' ? env :
	    "dmvpn-ca.db";
}

int
cmd_status_of(const struct err *e)
{
	switch (e->code) {
	case EINVAL:
	case ENAMETOOLONG:
	case ELOOP:
	case EMLINK:
		return EXIT_USAGE;
	case ENOMEM:
	case EIO:
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EAGAIN:
		return EXIT_SYSTEM;
	default:
		return EXIT_NO;
	}
}

int
cmd_ca_open(struct cmd_ca *c, const char *store, struct err *e)
{
	struct pki_store_ca raw;
	const unsigned char *p;

	c->store = pki_store_open(cmd_store_path(store), PKI_STORE_OPEN, e);
	if (c->store == NULL || pki_store_ca(c->store, &raw, e) < 0)
		return -1;
	p = raw.cert.p;
	c->ca.cert = d2i_X509(NULL, &p, (long)rbuf_left(&raw.cert));
	ERR_clear_error();
	return c->ca.cert != NULL ? 0 : err_set(e, EUCLEAN, "the CA's "
	    "certificate in the store is damaged");
}

int
cmd_ca_unlock(struct cmd_ca *c, const char *pass_file, struct err *e)
{
	struct pki_store_ca raw;
	struct secret *pass = NULL;
	const char *pem;

	if (pki_store_ca(c->store, &raw, e) < 0)
		return -1;
	pem = (const char *)raw.key.p;
	if (pki_key_is_encrypted(pem) && (pass = pass_file != NULL ?
	    cmd_passphrase(pass_file, e) :
	    cmd_passphrase_ask("the CA's key", false, e)) == NULL)
		return -1;
	c->ca.key = pki_key_read(pem, rbuf_left(&raw.key), pass, e);
	secret_free(pass);
	if (c->ca.key == NULL)
		return err_in(e, "CA");
	if (X509_check_private_key(c->ca.cert, c->ca.key) != 1) {
		ERR_clear_error();
		return err_set(e, EUCLEAN, "the CA's key in the store is not "
		    "that of its certificate");
	}
	return pki_store_begin(c->store, e);
}

void
cmd_ca_close(struct cmd_ca *c)
{
	X509_free(c->ca.cert);
	EVP_PKEY_free(c->ca.key);
	pki_store_close(c->store);
	memset(c, 0, sizeof(*c));
}

const char *
cmd_ca_organisation(const struct cmd_ca *c, char *out, size_t len)
{
	return X509_NAME_get_text_by_NID(X509_get_subject_name(c->ca.cert),
	    NID_organizationName, out, (int)len) > 0 ? out : NULL;
}

int
cmd_pem_cert(BIO *b, X509 *x, struct err *e)
{
	if (b != NULL && PEM_write_bio_X509(b, x) == 1)
		return 0;
	ERR_clear_error();
	return err_set(e, ENOMEM, "PEM");
}

/* ------------------------------------------------------------------- init */

struct init_opts {
	const char	*store, *name, *organisation, *type, *pass_file, *from;
	uint64_t	 days;
	struct opt_list	 ranges;
	bool		 encrypt;
};

/* "--range 10.0.0.0/8", or all there is. */
static int
take_ranges(struct pki_want *w, const struct opt_list *ranges, struct err *e)
{
	size_t i;

	if (ranges->n == 0)
		return pki_want_subnet(w, "0.0.0.0/0", e) < 0 ? -1 :
		    pki_want_subnet(w, "::/0", e);
	for (i = 0; i < ranges->n; i++)
		if (pki_want_subnet(w, ranges->v[i], e) < 0)
			return err_in(e, "--range");
	return 0;
}

static int
store_ca(const struct init_opts *o, X509 *x, const struct secret *key,
    struct err *e)
{
	struct pki_store *s = pki_store_open(cmd_store_path(o->store),
	    PKI_STORE_CREATE, e);
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der), rc = -1;

	if (s != NULL && len > 0 && pki_store_begin(s, e) == 0 &&
	    pki_store_set_ca(s, rbuf_of(der, (size_t)len),
	    rbuf_of(key->b, key->len), e) == 0)
		rc = pki_store_commit(s, e);
	OPENSSL_free(der);
	pki_store_close(s);
	return rc;
}

static int
init(const struct init_opts *o, struct pki_want *w, struct err *e)
{
	struct secret *pass = NULL, *pem = NULL;
	EVP_PKEY *key = NULL;
	X509 *x = NULL;
	int rc = -1;

	if (o->pass_file != NULL &&
	    (pass = cmd_passphrase(o->pass_file, e)) == NULL)
		return -1;
	if (o->pass_file == NULL && o->encrypt &&
	    (pass = cmd_passphrase_ask("the CA's key", true, e)) == NULL)
		return -1;
	if (pki_serial_make(w->serial, e) == 0 &&
	    (key = pki_key_make(o->type, e)) != NULL &&
	    (pem = pki_key_pem(key, pass, e)) != NULL &&
	    (x = pki_issue_ca(w, key, e)) != NULL)
		rc = store_ca(o, x, pem, e);
	X509_free(x);
	EVP_PKEY_free(key);
	secret_free(pem);
	secret_free(pass);
	return rc;
}

/* A CA that there is already: can we issue with it? */
static int
check_taken(const struct cert *c, EVP_PKEY *key, struct err *e)
{
	X509 *x = (X509 *)(uintptr_t)cert_x509(c);

	if (key == NULL || X509_check_private_key(x, key) != 1)
		return err_set(e, EINVAL, "the key is not that of the first "
		    "certificate");
	if (!cert_is_ca(c))
		return err_set(e, EINVAL, "its certificate is not that of a "
		    "CA");
	if (X509_get0_subject_key_id(x) == NULL)
		return err_set(e, ENOTSUP, "its certificate has no subject "
		    "key identifier");
	if (cert_not_after(c) <= clock_wall())
		return err_set(e, EPERM, "its certificate has expired");
	return 0;
}

static int
init_from(const struct init_opts *o, struct err *e)
{
	struct pki_bundle b = { .key = NULL };
	struct secret *pass = NULL, *pem = NULL;
	const unsigned char *p;
	EVP_PKEY *key = NULL;
	int rc = -1;

	if (cmd_bundle(&b, o->from, o->pass_file, e) == 0 &&
	    (o->pass_file == NULL ||
	    (pass = cmd_passphrase(o->pass_file, e)) != NULL)) {
		p = b.key->b;
		key = d2i_AutoPrivateKey(NULL, &p, (long)b.key->len);
		if (check_taken(b.chain.v[0], key, e) < 0)
			err_in(e, "%s", o->from);
		else if ((pem = pki_key_pem(key, pass, e)) != NULL)
			rc = store_ca(o, (X509 *)(uintptr_t)
			    cert_x509(b.chain.v[0]), pem, e);
	}
	ERR_clear_error();
	EVP_PKEY_free(key);
	secret_free(pem);
	secret_free(pass);
	pki_bundle_fini(&b);
	return rc;
}

int
cmd_init(int argc, char **argv)
{
	struct init_opts o = { .name = "DMVPN CA", .type = "p256",
		.days = 3650 };
	const struct opt opts[] = {
		CMD_STORE_OPT(&o.store),
		{ 0, "name", "NAME", "of the CA (CN)", OPT_TEXT, &o.name,
		    0, 0 },
		{ 'O', "organization", "NAME", "O of it and of all it issues",
		    OPT_TEXT, &o.organisation, 0, 0 },
		{ 'k', "key-type", "TYPE", PKI_KEY_TYPES, OPT_TEXT, &o.type,
		    0, 0 },
		{ 'd', "days", "DAYS", "how long it is valid", OPT_NUM,
		    &o.days, 1, PKI_DAYS_MAX },
		{ 'R', "range", "PREFIX", "addresses it may certify; else all",
		    OPT_LIST, &o.ranges, 0, 0 },
		{ 'P', "passphrase-file", "FILE", "its first line locks the "
		    "key", OPT_TEXT, &o.pass_file, 0, 0 },
		{ 'e', "encrypt", NULL, "ask for a passphrase that locks the "
		    "key", OPT_FLAG, &o.encrypt, 0, 0 },
		{ 0, "from", "FILE", "take a CA that there is: PEM with its "
		    "key, then its certificate", OPT_TEXT, &o.from, 0, 0 },
		OPT_END,
	};
	struct pki_want w = { .n_sans = 0 };
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, "[OPTIONS]", 0, 0, &status) < 0)
		return status;
	if (o.from != NULL)
		return init_from(&o, &e) < 0 ? command_fail(
		    cmd_status_of(&e), &e) : EXIT_OK;
	w.name = o.name;
	w.organisation = o.organisation;
	if (pki_name_check_title(o.name, &e) < 0 || (o.organisation != NULL &&
	    pki_name_check_title(o.organisation, &e) < 0) ||
	    pki_key_type_check(o.type, &e) < 0 ||
	    take_ranges(&w, &o.ranges, &e) < 0 ||
	    pki_want_days(&w, clock_wall(), o.days, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	if (init(&o, &w, &e) < 0)
		return command_fail(cmd_status_of(&e), &e);
	return EXIT_OK;
}
