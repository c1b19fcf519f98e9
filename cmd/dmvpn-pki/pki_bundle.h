#ifndef PKI_BUNDLE_H
#define PKI_BUNDLE_H

#include "base/err.h"
#include "base/secret.h"
#include "crypto/cert.h"
#include "msg/types.h"

/*
 * What `issue` writes and `load` reads: one PEM file with a private key, its
 * certificate and the CA certificates; and PSK files.
 */
struct pki_bundle {
	struct secret	*key;		/* PKCS#8 DER, or NULL */
	struct secret	*psk;
	struct cert_set	 chain;		/* leaf first */
	struct cert_set	 anchors;
};

/* pass may be NULL.  Roots of the file become anchors; when it has none, the
 * certificates of the CA that issued the first one do. */
int pki_bundle_read(struct pki_bundle *b, const char *path,
    const struct secret *pass, struct err *e);
int pki_bundle_trust(struct pki_bundle *b, const char *path, struct err *e);

/* One secret: the file's octets without the newline at its end, or
 * hexadecimal after "0x".  Empty is refused. */
int pki_bundle_psk(struct pki_bundle *b, const char *path, struct err *e);
void pki_bundle_fini(struct pki_bundle *b);

/* The message for the agent; it borrows from b. */
int pki_bundle_load(const struct pki_bundle *b, const char *identity,
    struct pki_load *m, struct err *e);

#endif
