#ifndef PKI_PROFILE_H
#define PKI_PROFILE_H

#include <stdbool.h>

#include "base/err.h"

/* What kind of peer a certificate is for. */
struct pki_profile {
	const char	*name;
	const char	*key_type;	/* when none is asked for */
	const char	*key_usage;	/* OpenSSL's configuration words */
	const char	*extended;	/* NULL: no extended key usage */
	bool		 need_blocks;
	bool		 critical_blocks;	/* RFC 3779, 2.1 */
	const char	*help;
};

extern const struct pki_profile pki_profiles[];	/* ends in name NULL */
#define PKI_PROFILES "hub|spoke|cisco|windows|strict|ocsp"
#define PKI_OCSP_USAGE "OCSPSigning"

const struct pki_profile *pki_profile_find(const char *name, struct err *e);

#endif
