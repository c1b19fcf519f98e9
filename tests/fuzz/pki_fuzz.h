#ifndef PKI_FUZZ_H
#define PKI_FUZZ_H

/* A CA and a peer for fuzz targets, made when the first input comes; and good
 * octets that an input damages. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "crypto/cert.h"
#include "dmvpn-pki/pki_issue.h"
#include "dmvpn-pki/pki_key.h"

#define FUZZ_NOW INT64_C(1800000000)

struct fuzz_ca {
	struct pki_ca	 ca;
	struct cert	*root, *leaf;
	EVP_PKEY	*key;
};

static inline void
fuzz_need(int ok)
{
	if (!ok)
		abort();
}

static inline const struct fuzz_ca *
fuzz_ca(void)
{
	static struct fuzz_ca f;
	struct pki_want w = { .name = "ca" };
	X509 *x = NULL;

	if (f.root != NULL)
		return &f;
	fuzz_need((f.ca.key = pki_key_make("p256", NULL)) != NULL &&
	    (f.key = pki_key_make("p256", NULL)) != NULL &&
	    pki_serial_make(w.serial, NULL) == 0 &&
	    pki_want_days(&w, FUZZ_NOW, 365, NULL) == 0 &&
	    pki_want_subnet(&w, "0.0.0.0/0", NULL) == 0 &&
	    (f.ca.cert = pki_issue_ca(&w, f.ca.key, NULL)) != NULL);
	memset(&w, 0, sizeof(w));
	w.name = "peer";
	w.profile = pki_profile_find("spoke", NULL);
	fuzz_need(pki_serial_make(w.serial, NULL) == 0 &&
	    pki_want_days(&w, FUZZ_NOW, 30, NULL) == 0 &&
	    pki_want_san(&w, GEN_DNS, "peer.example.org", NULL) == 0 &&
	    (x = pki_issue_peer(&f.ca, &w, f.key, NULL)) != NULL);
	f.leaf = cert_of_x509(x, NULL);
	f.root = cert_of_x509(f.ca.cert, NULL);
	fuzz_need(f.leaf != NULL && f.root != NULL);
	X509_free(x);
	return &f;
}

/* Pairs of place (two octets) and change (one), over a copy of good octets;
 * how many there are then. */
static inline size_t
fuzz_damage(struct rbuf in, const uint8_t *good, size_t len, uint8_t *out,
    size_t max)
{
	size_t n = len < max ? len : max;

	memcpy(out, good, n);
	while (rbuf_left(&in) >= 3 && n > 0) {
		uint16_t at = rbuf_be16(&in);
		uint8_t by = rbuf_u8(&in);

		if (at == 0xffff)
			n = by < n ? n - by : n;
		else
			out[at % n] ^= by;
	}
	return n;
}

#endif
