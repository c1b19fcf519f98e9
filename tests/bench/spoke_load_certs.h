#ifndef SPOKE_LOAD_CERTS_H
#define SPOKE_LOAD_CERTS_H

/*
 * A CA, a certificate for the hub and one for each spoke, with its tunnel
 * address and a network of its own as address blocks.  The spokes share one
 * key, which spares the making of thousands; no side can tell.
 */
#include <openssl/pem.h>
#include <sys/stat.h>

#include "spoke_load.h"

#define CERT_PAST	86400
#define CERT_FUTURE	(86400 * 30)

static inline void
certs_write(const char *name, EVP_PKEY *key, X509 *x)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", load.conf.certs, name);
	f = fopen(path, "w");
	if (f == NULL)
		load_die(path);
	if (key != NULL)
		PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	PEM_write_X509(f, x);
	(void)fchmod(fileno(f), 0600);
	fclose(f);
}

static inline struct sign_key *
certs_sign_key(EVP_PKEY *key)
{
	PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(key);
	uint8_t *der = NULL;
	int len = i2d_PKCS8_PRIV_KEY_INFO(p8, &der);
	struct sign_key *k;
	struct err e;

	k = len > 0 ? sign_key_parse(rbuf_of(der, (size_t)len), &e) : NULL;
	if (k == NULL)
		load_die("no key");
	PKCS8_PRIV_KEY_INFO_free(p8);
	OPENSSL_free(der);
	return k;
}

static inline struct rbuf
certs_der(const X509 *x)
{
	uint8_t *der = NULL;
	int len = i2d_X509(x, &der);

	return rbuf_of(der, len > 0 ? (size_t)len : 0);
}

/* The spoke's tunnel address and the index-th /26 of 172.16.0.0/12. */
static inline void
certs_blocks(unsigned index, char *out, size_t len)
{
	static const uint8_t lans[] = { 172, 16, 0, 0 };
	struct addr own = load_addr(&load.conf.tunnel, FIRST + index);
	struct addr base = addr_of(lans, 4), lan = load_addr(&base,
	    64 * index);
	struct addr_buf a, b;

	snprintf(out, len, "IPv4:%s/32,IPv4:%s/26", addr_text(&own, &a),
	    addr_text(&lan, &b));
}

static inline void
certs_make(void)
{
	const char *kind = strcmp(load.conf.kind, "rsa") == 0 ? "rsa" :
	    "P-256";
	EVP_PKEY *by = test_key(kind), *key = test_key(kind);
	long now = (long)(time(NULL) - SIM_WALL), from = now - CERT_PAST,
	    until = now + CERT_FUTURE;
	X509 *ca = test_cert(by, "load CA", NULL, by, NULL, "IPv4:0.0.0.0/0",
	    from, until);
	X509 *x = test_cert(key, "hub", ca, by, "DNS:hub.load.example",
	    "IPv4:0.0.0.0/0", from, until);
	char san[64], blocks[64];
	unsigned i;

	certs_write("ca.pem", NULL, ca);
	certs_write("hub.pem", key, x);
	X509_free(x);
	load.key = certs_sign_key(key);
	load.anchor = certs_der(ca);
	for (i = 0; i < load.conf.spokes; i++) {
		snprintf(san, sizeof(san), "DNS:%s", load.spokes[i].id);
		certs_blocks(i, blocks, sizeof(blocks));
		x = test_cert(key, load.spokes[i].id, ca, by, san, blocks,
		    from, until);
		load.spokes[i].cert = certs_der(x);
		X509_free(x);
	}
	X509_free(ca);
	EVP_PKEY_free(by);
	EVP_PKEY_free(key);
}

#endif
