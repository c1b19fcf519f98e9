#include "pki_enroll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/ident.h"
#include "crypto/verdict.h"
#include "pki_key.h"
#include "pki_proof.h"

/* szOID_ENROLL_CERTTYPE_EXTENSION */
#define TEMPLATE_OID	"1.3.6.1.4.1.311.20.2"

const struct enroll_protocol *const enroll_protocols[] = {
	&enroll_scep,
	&enroll_est,
	&enroll_cmp,
	NULL,
};

const struct enroll_protocol *
enroll_find(const char *name, struct err *e)
{
	const struct enroll_protocol *const *p = enroll_protocols;

	while (*p != NULL && strcmp((*p)->name, name) != 0)
		p++;
	return *p != NULL ? *p : err_null(err_set(e, EINVAL, "protocol \"%s\" "
	    "is none of " ENROLL_PROTOCOLS, name));
}

/* ---------------------------------------------------------------- request */

/* Renewal: as it was; else as asked for. */
static int
set_subject(X509_REQ *r, const struct enroll *n, struct err *e)
{
	const unsigned char *p;
	struct ident id;
	X509_NAME *name;
	int ok;

	if (n->old != NULL && n->old->n > 0)
		return X509_REQ_set_subject_name(r, X509_get_subject_name(
		    cert_x509(n->old->v[0]))) == 1 ? 0 : -1;
	if (n->subject == NULL)
		return X509_NAME_add_entry_by_NID(
		    X509_REQ_get_subject_name(r), NID_commonName, MBSTRING_UTF8,
		    (const unsigned char *)n->want->name, -1, -1, 0) == 1 ?
		    0 : -1;
	if (ident_parse(n->subject, &id, e) < 0)
		return -1;
	if (id.type != IDENT_DN)
		return err_set(e, EINVAL, "subject: \"%s\" is not like "
		    "CN=spoke7,O=Example", n->subject);
	p = id.data;
	name = d2i_X509_NAME(NULL, &p, (long)id.len);
	ok = name != NULL && X509_REQ_set_subject_name(r, name) == 1;
	X509_NAME_free(name);
	return ok ? 0 : -1;
}

static int
add_ext(STACK_OF(X509_EXTENSION) *all, X509_EXTENSION *ext)
{
	if (ext != NULL && sk_X509_EXTENSION_push(all, ext) > 0)
		return 0;
	X509_EXTENSION_free(ext);
	return -1;
}

/* Ours, or when there are none and it is a renewal, those of the old one. */
static int
add_names(STACK_OF(X509_EXTENSION) *all, const struct enroll *n)
{
	GENERAL_NAMES *names;
	X509_EXTENSION *ext;
	const X509 *old;
	int at;

	if (n->want->n_sans == 0 && n->old != NULL && n->old->n > 0) {
		old = cert_x509(n->old->v[0]);
		at = X509_get_ext_by_NID(old, NID_subject_alt_name, -1);
		return at < 0 ? 0 : add_ext(all, X509_EXTENSION_dup(
		    X509_get_ext(old, at)));
	}
	if (n->want->n_sans == 0)
		return 0;
	if ((names = pki_want_names(n->want)) == NULL)
		return -1;
	ext = X509V3_EXT_i2d(NID_subject_alt_name, 0, names);
	GENERAL_NAMES_free(names);
	return add_ext(all, ext);
}

/* Which template NDES takes depends on it, too. */
static int
add_usage(STACK_OF(X509_EXTENSION) *all, const struct enroll *n)
{
	return add_ext(all, X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage,
	    cert_pkey_kind(n->key) == CERT_KEY_RSA ?
	    "critical,digitalSignature,keyEncipherment" :
	    "critical,digitalSignature"));
}

static int
add_template(STACK_OF(X509_EXTENSION) *all, const struct enroll *n)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(TEMPLATE_OID, 1);
	ASN1_STRING *text = NULL;
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	unsigned char *der = NULL;
	X509_EXTENSION *ext = NULL;
	int len = -1;

	if (oid != NULL && value != NULL && ASN1_mbstring_copy(&text,
	    (const unsigned char *)n->template, -1, MBSTRING_UTF8,
	    B_ASN1_BMPSTRING) > 0)
		len = i2d_ASN1_BMPSTRING(text, &der);
	if (len > 0 && ASN1_OCTET_STRING_set(value, der, len) == 1)
		ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value);
	OPENSSL_free(der);
	ASN1_STRING_free(text);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(oid);
	return add_ext(all, ext);
}

static int
set_extensions(X509_REQ *r, const struct enroll *n)
{
	STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
	int rc = -1;

	if (all != NULL && add_names(all, n) == 0 && add_usage(all, n) == 0 &&
	    (n->template == NULL || add_template(all, n) == 0) &&
	    X509_REQ_add_extensions(r, all) == 1)
		rc = 0;
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	return rc;
}

/* RFC 2985, 5.4.1: PrintableString when it can be; some servers know no
 * other. */
static int
set_challenge(X509_REQ *r, const struct enroll *n)
{
	const struct secret *c = n->challenge;
	int type;

	if (c == NULL || !n->protocol->challenge)
		return 0;
	type = ASN1_PRINTABLE_type(c->b, (int)c->len) ==
	    V_ASN1_PRINTABLESTRING ? V_ASN1_PRINTABLESTRING :
	    V_ASN1_UTF8STRING;
	return X509_REQ_add1_attr_by_NID(r, NID_pkcs9_challengePassword, type,
	    c->b, (int)c->len) == 1 ? 0 : -1;
}

/* Here the old key has no other way to speak to who has the CA. */
static int
set_proof(X509_REQ *r, const struct enroll *n, struct err *e)
{
	if (!n->protocol->proof || n->old == NULL || n->old->n == 0)
		return 0;
	return pki_proof_add(r, n->old_key,
	    (X509 *)(uintptr_t)cert_x509(n->old->v[0]), e);
}

int
enroll_request(struct enroll *n, struct err *e)
{
	const EVP_MD *md = cert_pkey_kind(n->key) == CERT_KEY_ED25519 ? NULL :
	    EVP_sha256();
	X509_REQ *r = X509_REQ_new();

	err_clear(e);
	if (n->protocol->rsa_only &&
	    cert_pkey_kind(n->key) != CERT_KEY_RSA)
		err_set(e, EINVAL, "%s carries RSA keys only: take "
		    "--key-type rsa2048, or est or cmp", n->protocol->name);
	else if (r != NULL && X509_REQ_set_version(r, 0) == 1 &&
	    set_subject(r, n, e) == 0 && X509_REQ_set_pubkey(r, n->key) == 1 &&
	    set_extensions(r, n) == 0 && set_challenge(r, n) == 0 &&
	    set_proof(r, n, e) == 0 &&
	    X509_REQ_sign(r, n->key, md) > 0) {
		X509_REQ_free(n->request);
		n->request = r;
		return 0;
	}
	X509_REQ_free(r);
	ERR_clear_error();
	return e != NULL && e->code != 0 ? -1 : err_set(e, EIO,
	    "OpenSSL makes no request");
}

/* ------------------------------------------------------------------- flow */

static enum enroll_answer
finish(struct enroll *n, enum enroll_answer a, struct err *e)
{
	if (a != ENROLL_DONE)
		return a;
	if (n->protocol->late && enroll_trust(n, e) < 0)
		return ENROLL_FAILED;
	if (n->anchors.n == 0)
		err_set(e, EACCES, "nobody says whom to trust");
	else if (enroll_judge(n, e) == 0)
		return ENROLL_DONE;
	return ENROLL_FAILED;
}

int
enroll_hello(struct enroll *n, struct err *e)
{
	if (n->verdict == NULL &&
	    (n->verdict = calloc(1, sizeof(*n->verdict))) == NULL)
		return err_set(e, ENOMEM, "enrolment");
	return n->protocol->hello(n, e) < 0 ? -1 : enroll_trust(n, e);
}

enum enroll_answer
enroll_ask(struct enroll *n, struct err *e)
{
	return finish(n, n->protocol->ask(n, e), e);
}

enum enroll_answer
enroll_poll(struct enroll *n, struct err *e)
{
	return finish(n, n->protocol->poll(n, e), e);
}

/* ----------------------------------------------------------------- result */

static int
put_set(BIO *b, const struct cert_set *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (PEM_write_bio_X509(b, (X509 *)(uintptr_t)
		    cert_x509(s->v[i])) != 1)
			return -1;
	return 0;
}

struct secret *
enroll_bundle(const struct enroll *n, const struct secret *pass,
    struct err *e)
{
	struct secret *key = pki_key_pem(n->key, pass, e), *all = NULL;
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long len;

	if (key == NULL || b == NULL || put_set(b, &n->chain) < 0 ||
	    put_set(b, &n->anchors) < 0)
		goto out;
	len = BIO_get_mem_data(b, &text);
	if ((all = secret_new(key->len + (size_t)len)) != NULL) {
		memcpy(all->b, key->b, key->len);
		memcpy(all->b + key->len, text, (size_t)len);
	}
out:
	if (all == NULL && key != NULL)
		err_set(e, ENOMEM, "PEM");
	ERR_clear_error();
	secret_free(key);
	BIO_free(b);
	return all;
}

void
enroll_fini(struct enroll *n)
{
	if (n->protocol != NULL && n->state != NULL)
		n->protocol->end(n);
	n->state = NULL;
	X509_REQ_free(n->request);
	n->request = NULL;
	if (n->verdict != NULL)
		verdict_fini(n->verdict);
	free(n->verdict);
	n->verdict = NULL;
	cert_set_fini(&n->ca);
	cert_set_fini(&n->anchors);
	cert_set_fini(&n->chain);
}
