#ifndef PKI_ISSUE_H
#define PKI_ISSUE_H

#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/err.h"
#include "crypto/blocks.h"
#include "pki_profile.h"

/*
 * Making certificates and CRLs.  Pure: time and serial numbers are given.
 */
#define PKI_SANS_MAX	32
#define PKI_SERIAL_LEN	16

/* Before this second (2026-01-01) no clock is right. */
#define PKI_TIME_MIN	INT64_C(1767225600)
/* RFC 5280, 4.1.2.5: years have four digits. */
#define PKI_TIME_MAX	INT64_C(253402300799)
#define PKI_DAYS_MAX	36500

struct pki_want {
	const char			*name;		/* CN */
	const char			*organisation;	/* or NULL */
	const struct pki_profile	*profile;	/* not for a CA */
	size_t				 n_sans;
	struct {
		int		 type;	/* GEN_DNS, GEN_EMAIL, GEN_IPADD */
		const char	*text;
	} sans[PKI_SANS_MAX];
	struct blocks			 blocks;
	uint32_t			 as;		/* number; 0: none */
	const char			*crl_url;	/* or NULL */
	const char			*ocsp_url;	/* or NULL */
	int64_t				 from, to;	/* wall seconds */
	uint8_t				 serial[PKI_SERIAL_LEN];
};

struct pki_ca {
	X509		*cert;
	EVP_PKEY	*key;
};

/* Add one name; checked: host names, addresses, mail addresses. */
int pki_want_san(struct pki_want *w, int type, const char *text,
    struct err *e);
/* All of them as subjectAltName; the caller frees; NULL: out of memory. */
GENERAL_NAMES *pki_want_names(const struct pki_want *w);
/* A host route of the tunnel, or a subnet behind the peer. */
int pki_want_address(struct pki_want *w, const char *text, struct err *e);
int pki_want_subnet(struct pki_want *w, const char *text, struct err *e);

/* The one AS number of a certificate (RFC 3779, 3); 0: none, or several. */
uint32_t pki_as_of(const X509 *x);

/* 128 random bits less two, so that the number is positive and long. */
int pki_serial_make(uint8_t serial[PKI_SERIAL_LEN], struct err *e);

/* Is `now` a time to issue at?  Fills from and to; a little earlier than now,
 * for clocks that are behind. */
int pki_want_days(struct pki_want *w, int64_t now, uint64_t days,
    struct err *e);

/* A self-signed CA. */
X509 *pki_issue_ca(const struct pki_want *w, EVP_PKEY *key, struct err *e);
/* What pki_issue_peer would refuse: outliving the CA, blocks or an AS number
 * that the CA has not, a profile without its blocks. */
int pki_issue_check(X509 *ca, const struct pki_want *w, struct err *e);
/* For a peer's public key. */
X509 *pki_issue_peer(const struct pki_ca *ca, const struct pki_want *w,
    EVP_PKEY *key, struct err *e);

struct pki_revoked {
	const char	*serial;	/* hexadecimal */
	int64_t		 at;
	const char	*why;		/* of pki_reasons, or "" */
};
#define PKI_REASONS "unspecified|key-compromise|ca-compromise|" \
    "affiliation-changed|superseded|cessation|" PKI_HOLD
/* Until it is released, or taken back for good. */
#define PKI_HOLD	"hold"
int pki_reason_check(const char *why, struct err *e);
/* Of an entry of a list; one that has no word of ours is "unspecified". */
const char *pki_reason_of(const X509_REVOKED *r);

X509_CRL *pki_issue_crl(const struct pki_ca *ca, uint64_t number, int64_t now,
    int64_t next, const struct pki_revoked *v, size_t n, struct err *e);
/* One partition (RFC 5280, 5.2.5): it speaks of the certificates that have this
 * URL as their distribution point, and of no others. */
X509_CRL *pki_issue_crl_part(const struct pki_ca *ca, const char *url,
    uint64_t number, int64_t now, int64_t next, const struct pki_revoked *v,
    size_t n, struct err *e);

/* Key of a certificate request (DER), after its signature, its key and what it
 * asks for were checked: it must not want to be a CA, have critical extensions
 * that we do not know, or names that `w` does not have. */
EVP_PKEY *pki_issue_request(const void *der, size_t len,
    const struct pki_want *w, struct err *e);

#endif
