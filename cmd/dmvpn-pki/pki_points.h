#ifndef PKI_POINTS_H
#define PKI_POINTS_H

#include "pki_issue.h"
#include "pki_store.h"

/*
 * Where a certificate says that its revocation is told (settings of the
 * store), and the lists that tell it.  A large CA divides its list: the serial
 * number of a certificate picks the partition, once and for all, and the
 * partition has a URL of its own.
 */
#define PKI_URL_MAX		(PKI_SETTING_MAX + 32)
#define PKI_PARTITIONS_MAX	60	/* an agent holds 64 lists */

struct pki_points {
	unsigned	partition;	/* 0: none, 1, 2, ... */
	char		crl[PKI_URL_MAX];
	char		ocsp[PKI_SETTING_MAX];
};

/* "" or a URL of http or https that fits into a certificate as it stands. */
int pki_url_check(const char *url, struct err *e);

/* A list has one signature, so each key and each partition have a name of
 * their own.  "http://a/ca.crl" is that of the first key, whole (partition 0);
 * "http://a/ca-3.crl" is partition 3 of it, "http://a/ca-g2-3.crl" of the second
 * key.  Also for names of files. */
void pki_points_name(const char *base, int64_t generation, unsigned partition,
    char out[PKI_URL_MAX]);

/* Fill p, and the URLs of w, which borrow from p; for the key that is active,
 * by the serial number that w has. */
int pki_points_take(struct pki_store *s, struct pki_want *w,
    struct pki_points *p, struct err *e);

/* How many partitions there are for this key; 0: the list is whole. */
int pki_points_count(struct pki_store *s, int64_t generation, int64_t now,
    unsigned *n, struct err *e);

/* The next list of the key that ca has, in the transaction that is open: one
 * partition, or (0) all that it has revoked. */
X509_CRL *pki_points_crl(struct pki_store *s, const struct pki_ca *ca,
    int64_t generation, unsigned partition, int64_t now, int64_t next,
    struct err *e);

#endif
