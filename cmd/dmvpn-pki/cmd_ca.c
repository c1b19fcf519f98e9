#include "cmd_ca.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "pki_key.h"

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
	case E2BIG:
		return EXIT_USAGE;
	case ENOMEM:
	case EIO:
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EAGAIN:
	case EMFILE:
	case ENFILE:
		return EXIT_SYSTEM;
	default:
		return EXIT_NO;
	}
}

int
cmd_input_status(const struct err *e)
{
	return cmd_status_of(e) == EXIT_SYSTEM ? EXIT_SYSTEM : EXIT_USAGE;
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
	c->generation = raw.generation;
	c->ca.cert = d2i_X509(NULL, &p, (long)rbuf_left(&raw.cert));
	ERR_clear_error();
	return c->ca.cert != NULL ? 0 : err_set(e, EUCLEAN, "the CA's "
	    "certificate in the store is damaged");
}

/* A PIN is asked for when the token wants one: its URI may say where it is. */
static EVP_PKEY *
open_uri(const char *uri, const char *pass_file, struct secret **pass,
    struct err *e)
{
	EVP_PKEY *k;

	if (*pass == NULL && pass_file != NULL &&
	    (*pass = cmd_passphrase(pass_file, e)) == NULL)
		return NULL;
	k = pki_key_open(uri, *pass, e);
	if (k == NULL && *pass == NULL && e->code == EACCES &&
	    (*pass = cmd_passphrase_ask("the token",
	    "--passphrase-file", false, e)) != NULL)
		k = pki_key_open(uri, *pass, e);
	return k;
}

EVP_PKEY *
cmd_key_open(const char *text, size_t len, const char *pass_file,
    struct secret **pass, struct err *e)
{
	if (pki_key_is_uri(text))
		return open_uri(text, pass_file, pass, e);
	if (pki_key_is_encrypted(text) && *pass == NULL &&
	    (*pass = pass_file != NULL ? cmd_passphrase(pass_file, e) :
	    cmd_passphrase_ask("the CA's key", "--passphrase-file", false,
	    e)) == NULL)
		return NULL;
	return pki_key_read(text, len, *pass, e);
}

static int
open_pair(struct pki_ca *ca, struct rbuf text, const char *pass_file,
    struct secret **pass, struct err *e)
{
	ca->key = cmd_key_open((const char *)text.p, rbuf_left(&text),
	    pass_file, pass, e);
	if (ca->key == NULL)
		return err_in(e, "CA");
	if (X509_check_private_key(ca->cert, ca->key) == 1)
		return 0;
	ERR_clear_error();
	return err_set(e, EUCLEAN, "the CA's key in the store is not that of "
	    "its certificate");
}

/* Another program may have given the CA its next key since it was opened: what
 * the one before signs now would be in the books as the next one's. */
static int
check_generation(const struct cmd_ca *c, struct pki_store_ca *raw,
    struct err *e)
{
	if (pki_store_ca(c->store, raw, e) < 0)
		return -1;
	return raw->generation == c->generation ? 0 : err_set(e, EAGAIN,
	    "the CA's key has changed meanwhile: try again");
}

int
cmd_ca_key(struct cmd_ca *c, const char *pass_file, struct err *e)
{
	struct pki_store_ca raw;

	return check_generation(c, &raw, e) < 0 ? -1 :
	    open_pair(&c->ca, raw.key, pass_file, &c->pass, e);
}

int
cmd_ca_begin(struct cmd_ca *c, struct err *e)
{
	struct pki_store_ca raw;

	if (pki_store_begin(c->store, e) < 0)
		return -1;
	if (check_generation(c, &raw, e) == 0)
		return 0;
	pki_store_rollback(c->store);
	return -1;
}

int
cmd_ca_unlock(struct cmd_ca *c, const char *pass_file, struct err *e)
{
	return cmd_ca_key(c, pass_file, e) < 0 ? -1 : cmd_ca_begin(c, e);
}

struct each_old {
	struct cmd_ca	*c;
	int (*fn)(void *arg, const struct pki_ca *ca, int64_t generation);
	void		*arg;
	struct err	*e;
};

static int
on_old(void *arg, const struct pki_authority *a)
{
	struct each_old *o = arg;
	struct pki_ca ca = { .cert = NULL };
	const unsigned char *p = a->cert.p;
	struct secret *text;
	int rc = -1;

	if (a->state != PKI_CA_OLD)
		return 0;
	ca.cert = d2i_X509(NULL, &p, (long)rbuf_left(&a->cert));
	text = secret_new(rbuf_left(&a->key) + 1);
	if (ca.cert == NULL || text == NULL)
		err_set(o->e, EUCLEAN, "the certificate of the CA's old key is "
		    "damaged");
	else {
		memcpy(text->b, a->key.p, rbuf_left(&a->key));
		text->len--;
		rc = open_pair(&ca, rbuf_of(text->b, text->len), NULL,
		    &o->c->pass, o->e) < 0 ? -1 :
		    o->fn(o->arg, &ca, a->generation);
	}
	secret_free(text);
	X509_free(ca.cert);
	EVP_PKEY_free(ca.key);
	return rc;
}

int
cmd_ca_each_old(struct cmd_ca *c, int (*fn)(void *arg,
    const struct pki_ca *ca, int64_t generation), void *arg, struct err *e)
{
	struct each_old o = { c, fn, arg, e };

	return pki_store_authorities(c->store, on_old, &o, e);
}

void
cmd_ca_close(struct cmd_ca *c)
{
	X509_free(c->ca.cert);
	EVP_PKEY_free(c->ca.key);
	secret_free(c->pass);
	cert_set_fini(&c->above);
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

int
cmd_pem_certs(BIO *b, const struct cert_set *s, struct err *e)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (cmd_pem_cert(b, (X509 *)(uintptr_t)cert_x509(s->v[i]),
		    e) < 0)
			return -1;
	return 0;
}

static bool
has(const struct cert_set *s, const struct cert *c)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (cert_equal(s->v[i], c))
			return true;
	return false;
}

int
cmd_ca_above(struct pki_store *s, struct cert_set *out, struct err *e)
{
	struct cert_set anchors = { .n = 0 };
	size_t i;
	int rc = pki_store_trust(s, out, &anchors, e);

	for (i = 0; rc == 0 && i < anchors.n; i++)
		if (!has(out, anchors.v[i]))
			rc = cert_set_add(out, anchors.v[i], e);
	cert_set_fini(&anchors);
	return rc;
}
