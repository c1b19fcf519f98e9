/* Revocation lists, DER and PEM. */
#include <stddef.h>
#include <stdint.h>

#include "crypto/cert.h"
#include "dmvpn-pki/pki_look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crl_set s = { .n = 0 };
	struct cert_set certs = { .n = 0 };
	struct pki_look look;
	size_t i;

	if (size > 0 && data[0] == 0x30)
		(void)crl_set_add_der(&s, rbuf_of(data, size), NULL);
	else {
		(void)crl_set_add_pem(&s, (const char *)data, size, NULL);
		(void)cert_set_add_pem(&certs, (const char *)data, size,
		    NULL);
	}
	for (i = 0; i < s.n; i++)
		pki_look_crl(crl_x509(s.v[i]), &look);
	crl_set_fini(&s);
	cert_set_fini(&certs);
	return 0;
}
