#ifndef SCEP_MAKE_H
#define SCEP_MAKE_H

/* Who takes part in the tests of SCEP, and messages. */
#include "pki_make.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/cms.h>
#include <openssl/pkcs7.h>

#include "crypto/der.h"
#include "crypto/scep.h"
#include "dmvpn-pki/pki_scep.h"

#define CHALLENGE "open-sesame"

/* An RSA CA, an EC CA with an RA for SCEP, a client's key. */
static struct make rsa_ca, ec_ca;
static X509 *ra;
static EVP_PKEY *ra_key, *key, *other_key;
static X509 *self;		/* the client's, signed by itself */

static const struct make_ext ra_usage[] = {
	{ NID_key_usage, "critical,digitalSignature,keyEncipherment" },
	{ 0, NULL },
};

static inline int
setup(void **state)
{
	struct err e = { 0 };
	uint8_t serial[PKI_SERIAL_LEN];

	(void)state;
	make_ca(&rsa_ca, "RSA CA", "rsa2048", NULL);
	make_ca(&ec_ca, "EC CA", "p256", NULL);
	assert_int_equal(pki_serial_make(serial, &e), 0);
	assert_int_equal(pki_scep_ra(&ec_ca.ca, serial, MAKE_NOW, 30, &ra,
	    &ra_key, &e), 0);
	key = pki_key_make("rsa2048", &e);
	other_key = pki_key_make("rsa2048", &e);
	assert_non_null(key);
	assert_non_null(other_key);
	self = make_raw(NULL, NULL, "spoke7", key, EVP_sha256(), MAKE_NOW -
	    MAKE_DAY, MAKE_NOW + MAKE_DAY, ra_usage);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	make_fini(&rsa_ca);
	make_fini(&ec_ca);
	X509_free(ra);
	X509_free(self);
	EVP_PKEY_free(ra_key);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other_key);
	return 0;
}

static inline struct scep_attrs
attrs_of(uint32_t type)
{
	struct scep_attrs a = { .type = type, .sender_len = 16 };

	memcpy(a.id, "0123456789abcdef", 17);
	memset(a.sender, 0x5a, 16);
	return a;
}

static inline struct secret *
message(uint32_t type, const void *content, size_t len, const X509 *to,
    const X509 *signer, EVP_PKEY *signer_key, struct scep_algs algs)
{
	struct scep_attrs a = attrs_of(type);
	struct scep_make m = { .attrs = &a, .content = rbuf_of(content, len),
		.to = to, .signer = signer, .key = signer_key, .algs = algs };
	struct err e = { 0 };
	struct secret *s = scep_make(&m, &e);

	if (s == NULL)
		print_message("# %s\n", e.msg);
	assert_non_null(s);
	return s;
}

static inline struct rbuf
octets(const struct secret *s)
{
	return rbuf_of(s->b, s->len);
}

static const struct scep_algs strong;

#endif
