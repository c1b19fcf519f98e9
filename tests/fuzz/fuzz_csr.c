/* Certificate requests: what is taken has a key that is strong enough. */
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/der.h"
#include "dmvpn-pki/pki_issue.h"
#include "dmvpn-pki/pki_look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pki_want w = { .name = "x", .n_sans = 2,
		.sans = { { GEN_DNS, "x.example.org" },
		{ GEN_IPADD, "192.0.2.1" } } };
	const unsigned char *p = data;
	EVP_PKEY *k = pki_issue_request(data, size, &w, NULL);
	struct pki_look look;
	X509_REQ *r;

	if (k != NULL && EVP_PKEY_get_security_bits(k) < 112)
		__builtin_trap();
	EVP_PKEY_free(k);
	if (der_check_request(rbuf_of(data, size), NULL) < 0 ||
	    (r = d2i_X509_REQ(NULL, &p, (long)size)) == NULL)
		return 0;
	pki_look_request(r, &look);
	X509_REQ_free(r);
	return 0;
}
