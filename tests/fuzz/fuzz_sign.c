/* AUTH data of any method against three keys: no signature can be guessed. */
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/sign.h"
#include "dmvpn-pki/pki_agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cert *
self_signed(EVP_PKEY *k, const EVP_MD *md)
{
	X509 *x = X509_new();
	struct cert *c;

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 1000);
	X509_set_pubkey(x, k);
	X509_sign(x, k, md);
	c = cert_of_x509(x, NULL);
	X509_free(x);
	EVP_PKEY_free(k);
	return c;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cert *certs[3];
	struct sign_parts parts = { 1, { rbuf_of("octets", 6) } };
	struct rbuf in = rbuf_of(data, size), auth, nonce;
	uint8_t which, method;
	char text[80];

	if (certs[0] == NULL) {
		certs[0] = self_signed(EVP_EC_gen("P-256"), EVP_sha256());
		certs[1] = self_signed(EVP_RSA_gen(2048), EVP_sha256());
		certs[2] = self_signed(EVP_PKEY_Q_keygen(NULL, NULL,
		    "ED25519"), NULL);
	}
	(void)pki_agent_check(in, &nonce, NULL);
	which = rbuf_u8(&in);
	method = rbuf_u8(&in);
	auth = rbuf_rest(&in);
	(void)sign_text(method, auth, text, sizeof(text));
	if (sign_verify(certs[which % 3], method, auth, &parts, which & 0x80,
	    NULL) == 0)
		__builtin_trap();
	return 0;
}
