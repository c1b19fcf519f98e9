#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "cmd_ca.h"
#include "pki_file.h"

#define P12_ROUNDS	100000	/* of PBKDF2, and of the MAC */

struct export_opts {
	const char	*store, *format, *out, *pass_file, *out_pass;
	bool		 force, anchors;
};

struct newest {
	struct cert_set	*out;
	struct err	*e;
};

/* The newest certificate of a name: rows come oldest first.  Some were imported
 * without it. */
static int
on_row(void *arg, const struct pki_row *row)
{
	struct newest *n = arg;

	if (row->revoked != 0 || rbuf_left(&row->der) == 0)
		return 0;
	cert_set_fini(n->out);
	return cert_set_add_der(n->out, row->der, n->e);
}

/* The CA's own certificate comes first, then what stands above it or beside
 * it. */
static int
add_ca(struct cert_set *s, struct pki_store *db, struct err *e)
{
	struct cert_set above = { .n = 0 };
	struct pki_store_ca ca;
	size_t i;
	int rc = pki_store_ca(db, &ca, e);

	if (rc == 0 && (rc = cert_set_add_der(s, ca.cert, e)) == 0)
		rc = cmd_ca_above(db, &above, e);
	for (i = 0; rc == 0 && i < above.n; i++)
		if (!cert_equal(above.v[i], s->v[0]))
			rc = cert_set_add(s, above.v[i], e);
	cert_set_fini(&above);
	return rc;
}

static int
from_store(struct cert_set *s, const struct export_opts *o, const char *name,
    struct err *e)
{
	struct pki_store *db = pki_store_open(cmd_store_path(o->store),
	    PKI_STORE_OPEN, e);
	struct newest n = { s, e };
	int rc = -1;

	if (db == NULL)
		return -1;
	if (o->anchors)
		rc = pki_store_trust(db, NULL, s, e);
	else if (name == NULL)
		rc = add_ca(s, db, e);
	else if ((rc = pki_store_each(db, name, on_row, &n, e)) == 0)
		rc = s->n == 0 ? err_set(e, ENOENT, "%s: no such file, and the "
		    "store has no certificate of that name or serial number "
		    "that is not revoked", name) : cmd_ca_above(db, s, e);
	pki_store_close(db);
	return rc;
}

static X509 *
x509_of(const struct cert *c)
{
	return (X509 *)(uintptr_t)cert_x509(c);
}

/* Certificates alone (RFC 2315, 9.1: signed by nobody), in PEM. */
static int
put_p7(BIO *b, const struct cert_set *s, struct err *e)
{
	PKCS7 *p7 = PKCS7_new();
	int ok = p7 != NULL && PKCS7_set_type(p7, NID_pkcs7_signed) == 1 &&
	    PKCS7_content_new(p7, NID_pkcs7_data) == 1 &&
	    PKCS7_set_detached(p7, 1) >= 0;
	size_t i;

	for (i = 0; ok && i < s->n; i++)
		ok = PKCS7_add_certificate(p7, x509_of(s->v[i])) == 1;
	ok = ok && PEM_write_bio_PKCS7(b, p7) == 1;
	PKCS7_free(p7);
	ERR_clear_error();
	return ok ? 0 : err_set(e, EIO, "OpenSSL makes no PKCS#7");
}

/* Key, leaf and chain of a PEM file as PKCS#12, AES-256. */
static int
put_p12(BIO *b, const char *path, const struct export_opts *o,
    struct err *e)
{
	struct pki_bundle in = { .key = NULL };
	STACK_OF(X509) *others = sk_X509_new_null();
	struct secret *pass = NULL;
	const unsigned char *p;
	EVP_PKEY *key = NULL;
	PKCS12 *p12 = NULL;
	char name[256] = "";		/* by which it is listed elsewhere */
	size_t i;
	int rc = -1;

	if (others == NULL || cmd_bundle(&in, path, o->pass_file, NULL, e) < 0)
		goto out;
	pass = o->out_pass != NULL ? cmd_passphrase(o->out_pass, e) :
	    cmd_passphrase_ask("the PKCS#12 file",
	    "--out-passphrase-file", true, e);
	if (pass == NULL)
		goto out;
	for (i = 1; i < in.chain.n; i++)
		(void)sk_X509_push(others, x509_of(in.chain.v[i]));
	for (i = 0; i < in.anchors.n; i++)
		(void)sk_X509_push(others, x509_of(in.anchors.v[i]));
	p = in.key->b;
	key = d2i_AutoPrivateKey(NULL, &p, (long)in.key->len);
	(void)X509_NAME_get_text_by_NID(X509_get_subject_name(
	    x509_of(in.chain.v[0])), NID_commonName, name, sizeof(name));
	p12 = key == NULL ? NULL : PKCS12_create((const char *)pass->b, name,
	    key, x509_of(in.chain.v[0]), others, NID_aes_256_cbc,
	    NID_aes_256_cbc, P12_ROUNDS, P12_ROUNDS, 0);
	rc = p12 != NULL && i2d_PKCS12_bio(b, p12) == 1 ? 0 :
	    err_set(e, EIO, "OpenSSL makes no PKCS#12");
out:
	PKCS12_free(p12);
	EVP_PKEY_free(key);
	secret_free(pass);
	sk_X509_free(others);
	pki_bundle_fini(&in);
	ERR_clear_error();
	return rc;
}

static int
fill(BIO *b, const struct export_opts *o, const char *what, struct err *e)
{
	struct cert_set s = { .n = 0 };
	bool is_file = what != NULL && cmd_is_file(what);
	struct rbuf der;
	int rc;

	if (strcmp(o->format, "p12") == 0)
		return is_file ? put_p12(b, what, o, e) : err_set(e, EINVAL,
		    "p12 wants a PEM file with a key: the store has no keys "
		    "of peers");
	rc = is_file ? cmd_certs_read(&s, what, e) :
	    from_store(&s, o, what, e);
	if (rc == 0 && strcmp(o->format, "der") == 0) {
		der = cert_der(s.v[0]);
		rc = BIO_write(b, der.p, (int)rbuf_left(&der)) > 0 ? 0 :
		    err_set(e, ENOMEM, "DER");
	} else if (rc == 0)
		rc = strcmp(o->format, "pkcs7") == 0 ? put_p7(b, &s, e) :
		    cmd_pem_certs(b, &s, e);
	cert_set_fini(&s);
	return rc;
}

int
cmd_export(int argc, char **argv)
{
	struct export_opts o = { .format = "pem", .out = "-" };
	const struct opt opts[] = {
		CMD_STORE_OPT(&o.store),
		{ 'F', "format", "FORMAT", "pem|der|pkcs7|p12", OPT_TEXT,
		    &o.format, 0, 0 },
		{ 'P', "passphrase-file", "FILE", "opens the key in FILE",
		    OPT_TEXT, &o.pass_file, 0, 0 },
		{ 0, "out-passphrase-file", "FILE", "locks the PKCS#12",
		    OPT_TEXT, &o.out_pass, 0, 0 },
		{ 'o', "out", "FILE", "where it goes; \"-\" is standard output",
		    OPT_TEXT, &o.out, 0, 0 },
		{ 'f', "force", NULL, "replace FILE", OPT_FLAG, &o.force,
		    0, 0 },
		{ 0, "anchors", NULL, "only what peers should trust",
		    OPT_FLAG, &o.anchors, 0, 0 },
		OPT_END,
	};
	struct err e = { 0 };
	bool secret;
	char *p;
	BIO *b;
	int status, rc;

	if (opt_parse(&argc, &argv, opts, "[-F FORMAT] [-o FILE] "
	    "[NAME|SERIAL|FILE]", 0, 1, &status) < 0)
		return status;
	if (o.anchors && argc > 0)
		return command_usage("--anchors are those of the CA");
	secret = strcmp(o.format, "p12") == 0;
	if (!secret && strcmp(o.format, "pem") != 0 &&
	    strcmp(o.format, "der") != 0 && strcmp(o.format, "pkcs7") != 0)
		return command_usage("format \"%s\" is none of pem, der, "
		    "pkcs7, p12",
		    o.format);
	b = BIO_new(secret ? BIO_s_secmem() : BIO_s_mem());
	rc = b == NULL ? err_set(&e, ENOMEM, "export") :
	    fill(b, &o, argc > 0 ? argv[0] : NULL, &e);
	if (rc == 0) {
		long len = BIO_get_mem_data(b, &p);

		rc = pki_file_write(o.out, secret ? 0600 : 0644, o.force, p,
		    (size_t)len, &e);
	}
	BIO_free(b);
	return rc < 0 ? command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}
