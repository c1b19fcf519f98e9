#ifndef PKI_MAKE_H
#define PKI_MAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "crypto/cert.h"
#include "crypto/sign.h"
#include "dmvpn-pki/pki_issue.h"
#include "dmvpn-pki/pki_key.h"

/* Certificates for tests: a CA and peers, by the code of `issue`, and what it
 * would not make, by hand. */
#define MAKE_NOW	INT64_C(1800000000)	/* 2027-01-15 */
#define MAKE_DAY	86400

struct make {
	struct pki_ca	 ca;
	struct cert	*ca_cert;
};

static inline struct cert *
make_cert_of(X509 *x)
{
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der);
	struct err e = { 0 };
	struct cert *c;

	assert_true(len > 0);
	c = cert_parse(rbuf_of(der, (size_t)len), &e);
	if (c == NULL)
		print_message("# %s\n", e.msg);
	assert_non_null(c);
	OPENSSL_free(der);
	return c;
}

static inline void
make_ca(struct make *m, const char *name, const char *key_type,
    const char *range)
{
	struct pki_want w = { .name = name };
	struct err e = { 0 };

	memset(m, 0, sizeof(*m));
	assert_int_equal(pki_serial_make(w.serial, &e), 0);
	assert_int_equal(pki_want_days(&w, MAKE_NOW, 3650, &e), 0);
	if (range != NULL)
		assert_int_equal(pki_want_subnet(&w, range, &e), 0);
	else {
		assert_int_equal(pki_want_subnet(&w, "0.0.0.0/0", &e), 0);
		assert_int_equal(pki_want_subnet(&w, "::/0", &e), 0);
	}
	m->ca.key = pki_key_make(key_type, &e);
	assert_non_null(m->ca.key);
	m->ca.cert = pki_issue_ca(&w, m->ca.key, &e);
	assert_non_null(m->ca.cert);
	m->ca_cert = make_cert_of(m->ca.cert);
}

static inline void
make_fini(struct make *m)
{
	cert_free(m->ca_cert);
	X509_free(m->ca.cert);
	EVP_PKEY_free(m->ca.key);
}

static inline struct pki_want
make_want(const char *name, const char *profile)
{
	struct pki_want w = { .name = name };
	struct err e = { 0 };

	w.profile = pki_profile_find(profile, &e);
	assert_non_null(w.profile);
	assert_int_equal(pki_serial_make(w.serial, &e), 0);
	assert_int_equal(pki_want_days(&w, MAKE_NOW, 30, &e), 0);
	assert_int_equal(pki_want_san(&w, GEN_DNS, name, &e), 0);
	return w;
}

static inline struct cert *
make_peer_want(const struct make *m, const struct pki_want *w, EVP_PKEY *key)
{
	struct err e = { 0 };
	X509 *x = pki_issue_peer(&m->ca, w, key, &e);
	struct cert *c;

	if (x == NULL)
		print_message("# %s\n", e.msg);
	assert_non_null(x);
	c = make_cert_of(x);
	X509_free(x);
	return c;
}

/* A spoke with 10.0.0.2 and 192.168.2.0/24; *key (may be NULL) is its key. */
static inline struct cert *
make_peer(const struct make *m, const char *name, const char *key_type,
    EVP_PKEY **key)
{
	struct pki_want w = make_want(name, "spoke");
	struct err e = { 0 };
	EVP_PKEY *k = pki_key_make(key_type, &e);
	struct cert *c;

	assert_non_null(k);
	assert_int_equal(pki_want_address(&w, "10.0.0.2", &e), 0);
	assert_int_equal(pki_want_subnet(&w, "192.168.2.0/24", &e), 0);
	c = make_peer_want(m, &w, k);
	if (key != NULL)
		*key = k;
	else
		EVP_PKEY_free(k);
	return c;
}

/* A CA and a spoke of it, as many tests begin and end; key may be NULL. */
static inline void
make_site(struct make *m, struct cert **peer, EVP_PKEY **key)
{
	make_ca(m, "CA", "p256", NULL);
	*peer = make_peer(m, "spoke.example.org", "p256", key);
}

static inline int
make_site_fini(struct make *m, struct cert *peer, EVP_PKEY *key)
{
	cert_free(peer);
	EVP_PKEY_free(key);
	make_fini(m);
	return 0;
}

static inline struct sign_key *
make_sign_key(EVP_PKEY *k)
{
	struct err e = { 0 };
	struct secret *der = pki_key_der(k, &e);
	struct sign_key *s;

	assert_non_null(der);
	s = sign_key_parse(rbuf_of(der->b, der->len), &e);
	assert_non_null(s);
	secret_free(der);
	return s;
}

/* A certificate with any extensions: NID, value, ..., 0. */
struct make_ext {
	int		 nid;
	const char	*value;
};
static inline X509 *
make_raw(X509 *issuer, EVP_PKEY *issuer_key, const char *name, EVP_PKEY *key,
    const EVP_MD *md, int64_t from, int64_t to, const struct make_ext *exts)
{
	X509 *x = X509_new();
	X509V3_CTX ctx;
	size_t i;

	assert_non_null(x);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 4711);
	ASN1_TIME_adj(X509_getm_notBefore(x), 0, (int)(from / MAKE_DAY),
	    (long)(from % MAKE_DAY));
	ASN1_TIME_adj(X509_getm_notAfter(x), 0, (int)(to / MAKE_DAY),
	    (long)(to % MAKE_DAY));
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN",
	    MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, issuer == NULL ? X509_get_subject_name(x) :
	    X509_get_subject_name(issuer));
	X509_set_pubkey(x, key);
	X509V3_set_ctx(&ctx, issuer == NULL ? x : issuer, x, NULL, NULL, 0);
	for (i = 0; exts != NULL && exts[i].value != NULL; i++) {
		X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx,
		    exts[i].nid, exts[i].value);

		assert_non_null(ext);
		assert_int_equal(X509_add_ext(x, ext, -1), 1);
		X509_EXTENSION_free(ext);
	}
	assert_true(X509_sign(x, issuer_key == NULL ? key : issuer_key, md) >
	    0);
	return x;
}

#endif
