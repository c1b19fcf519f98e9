/* CA keys that wait for a certificate; the interface is in cmd_init.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "cmd_init.h"
#include "pki_file.h"
#include "pki_key.h"
#include "sys/loop.h"

struct secret *
cmd_ca_key_text(EVP_PKEY *key, const char *uri, const struct secret *pass,
    struct err *e)
{
	struct secret *s;

	if (uri == NULL)
		return pki_key_pem(key, pass, e);
	if ((s = secret_copy(uri, strlen(uri))) == NULL)
		err_set(e, ENOMEM, "out of memory");
	return s;
}

int
cmd_waiting_request(const struct pki_want *w, EVP_PKEY *key, const char *out,
    bool force, struct err *e)
{
	X509_REQ *r = pki_ca_request(w, key, e);
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long len;
	int rc = -1;

	if (r != NULL && b != NULL && PEM_write_bio_X509_REQ(b, r) == 1) {
		len = BIO_get_mem_data(b, &p);
		rc = pki_file_write(out, 0644, force, p, (size_t)len, e);
	} else if (r != NULL)
		err_set(e, ENOMEM, "request");
	BIO_free(b);
	X509_REQ_free(r);
	ERR_clear_error();
	return rc;
}

/* ----------------------------------------------------- the certificate comes */

struct arrival {
	struct cert_set	 given;		/* ours first */
	struct cert_set	 others, roots;
};

static int
arrival_read(struct arrival *a, const char *file,
    const struct opt_list *trust, struct err *e)
{
	size_t i;

	if (cmd_certs_read(&a->given, file, e) < 0)
		return -1;
	for (i = 0; i < trust->n; i++)
		if (cmd_certs_read(&a->given, trust->v[i], e) < 0)
			return -1;
	for (i = 1; i < a->given.n; i++) {
		struct cert *c = a->given.v[i];

		if (cert_set_add(cert_self_signed(c) ? &a->roots : &a->others,
		    c, e) < 0)
			return -1;
	}
	if (a->roots.n == 0)
		return err_set(e, EINVAL, "%s: the root that it leads to is "
		    "missing: add it, and what is between, or give --trust",
		    file);
	return 0;
}

static void
arrival_fini(struct arrival *a)
{
	cert_set_fini(&a->given);
	cert_set_fini(&a->others);
	cert_set_fini(&a->roots);
}

/*
 * A root that certifies addresses is an anchor of the tunnels.  One that does
 * not vouches for a whole company, and OpenSSL finds no blocks below it: then
 * our own certificate is the anchor (pki_bundle.h), and the root is not kept.
 */
static int
keep_above(struct pki_store *s, int64_t generation, const struct arrival *a,
    struct err *e)
{
	struct blocks b;
	size_t i;

	for (i = 0; i < a->others.n; i++)
		if (pki_store_add_extra(s, PKI_EXTRA_CHAIN, generation,
		    cert_der(a->others.v[i]), e) < 0)
			return -1;
	for (i = 0; i < a->roots.n; i++)
		if (blocks_of(a->roots.v[i], &b, NULL) == 0 && b.present &&
		    pki_store_add_extra(s, PKI_EXTRA_ROOT, generation,
		    cert_der(a->roots.v[i]), e) < 0)
			return -1;
	return 0;
}

static int
activate(struct pki_store *s, int64_t generation, const struct arrival *a,
    struct err *e)
{
	struct pki_store_ca old;

	if (pki_store_authority(s, PKI_CA_ACTIVE, &old, e) == 0) {
		if (pki_store_set_state(s, old.generation, PKI_CA_OLD, e) < 0)
			return -1;
	} else if (e->code != ENOENT)
		return -1;
	err_clear(e);
	return pki_store_set_certificate(s, generation,
	    cert_der(a->given.v[0]), e) < 0 ||
	    pki_store_set_state(s, generation, PKI_CA_ACTIVE, e) < 0 ||
	    keep_above(s, generation, a, e) < 0 ? -1 : 0;
}

/* The name that the CA has goes on: certificates and lists are found by it. */
static int
same_name(struct pki_store *s, const struct cert *c, struct err *e)
{
	struct pki_store_ca now;
	struct cert *old;
	bool same;

	if (pki_store_authority(s, PKI_CA_ACTIVE, &now, e) < 0) {
		if (e->code != ENOENT)
			return -1;
		err_clear(e);
		return 0;
	}
	if ((old = cert_parse(now.cert, e)) == NULL)
		return -1;
	same = X509_NAME_cmp(X509_get_subject_name(cert_x509(old)),
	    X509_get_subject_name(cert_x509(c))) == 0;
	cert_free(old);
	return same ? 0 : err_set(e, EPERM, "it is for another name than that "
	    "of the CA");
}

/* Somebody else may have given it up. */
static int
check_waits(struct pki_store *s, int64_t generation, struct err *e)
{
	struct pki_store_ca now;

	return pki_store_authority(s, PKI_CA_WAITING, &now, e) == 0 &&
	    now.generation == generation ? 0 : err_set(e, EAGAIN, "the CA's "
	    "keys have changed meanwhile: try again");
}

static int
finish(struct pki_store *s, const struct arrival *a, const char *file,
    const char *pass_file, struct err *e)
{
	struct pki_store_ca waiting;
	const struct pki_audit_row about = { .why = "the key that waited for "
	    "its certificate issues" };
	struct secret *pass = NULL;
	EVP_PKEY *key;
	int64_t generation;
	int rc = -1;

	if (pki_store_authority(s, PKI_CA_WAITING, &waiting, e) < 0)
		return e->code == ENOENT ? err_set(e, ENOENT, "no key of this "
		    "CA waits for a certificate; --csr makes one") : -1;
	if (rbuf_left(&waiting.cert) > 0)
		return err_set(e, EINVAL, "the key that waits has its "
		    "certificate: dmvpn-pki rollover");
	generation = waiting.generation;
	key = cmd_key_open((const char *)waiting.key.p,
	    rbuf_left(&waiting.key), pass_file, &pass, e);
	if (key != NULL && (pki_ca_check(a->given.v[0], key, &a->others,
	    &a->roots, clock_wall(), e) < 0 ||
	    same_name(s, a->given.v[0], e) < 0))
		err_in(e, "%s", file);
	else if (key != NULL && pki_store_begin(s, e) == 0 &&
	    check_waits(s, generation, e) == 0 && activate(s, generation, a, e) == 0 && cmd_note(s,
	    PKI_AUDIT_CHANGED, "--certificate", &about, e) == 0)
		rc = pki_store_commit(s, e);
	EVP_PKEY_free(key);
	secret_free(pass);
	return rc;
}

int
cmd_waiting_end(const char *store, const char *file,
    const struct opt_list *trust, const char *pass_file)
{
	struct arrival a = { .given = { .n = 0 } };
	struct pki_store *s = NULL;
	struct err e = { 0 };
	int rc = -1;

	if (arrival_read(&a, file, trust, &e) == 0 &&
	    (s = pki_store_open(cmd_store_path(store), PKI_STORE_OPEN,
	    &e)) != NULL)
		rc = finish(s, &a, file, pass_file, &e);
	pki_store_close(s);
	arrival_fini(&a);
	return rc < 0 ? command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}
