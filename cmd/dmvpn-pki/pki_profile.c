#include "pki_profile.h"

#include <errno.h>
#include <string.h>

#define IPSEC_IKE	"1.3.6.1.5.5.7.3.17"	/* RFC 4945, 5.1.3.12 */
#define IKE_MIDDLE	"1.3.6.1.5.5.8.2.2"	/* iKEIntermediate */
#define SIGNS		"critical,digitalSignature"
#define SIGNS_ENCIPHERS	"critical,digitalSignature,keyEncipherment"

const struct pki_profile pki_profiles[] = {
	{ "hub", "p256", SIGNS,
	  IPSEC_IKE "," IKE_MIDDLE ",serverAuth,clientAuth", false, false,
	  "our hub, also for Windows and phone clients" },
	{ "spoke", "p256", SIGNS, IPSEC_IKE "," IKE_MIDDLE ",clientAuth",
	  false, false, "our spoke" },
	{ "cisco", "rsa2048", SIGNS_ENCIPHERS, IPSEC_IKE "," IKE_MIDDLE,
	  false, false, "Cisco IOS" },
	{ "windows", "rsa2048", SIGNS_ENCIPHERS,
	  "serverAuth,clientAuth," IKE_MIDDLE, false, false,
	  "Windows, which wants serverAuth" },
	{ "strict", "p384", SIGNS, IPSEC_IKE, true, true,
	  "only IKE, and only with address blocks, marked critical" },
	{ "ocsp", "p256", SIGNS, PKI_OCSP_USAGE, false, false,
	  "no peer: signs OCSP responses for the CA" },
	{ NULL, NULL, NULL, NULL, false, false, NULL },
};

const struct pki_profile *
pki_profile_find(const char *name, struct err *e)
{
	const struct pki_profile *p = pki_profiles;

	while (p->name != NULL && strcmp(p->name, name) != 0)
		p++;
	if (p->name != NULL)
		return p;
	return err_null(err_set(e, EINVAL, "profile \"%s\" is none of "
	    PKI_PROFILES, name));
}
