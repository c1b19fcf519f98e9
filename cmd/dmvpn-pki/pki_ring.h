#ifndef PKI_RING_H
#define PKI_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/secret.h"
#include "crypto/cert.h"
#include "crypto/ident.h"
#include "crypto/sign.h"
#include "msg/types.h"
#include "pki_seen.h"

/*
 * The agent's identities: a private key with its certificates, or a list of
 * PSKs.  Nothing here gives a key or a PSK back.
 */
#define PKI_RING_MAX	64	/* identities, as in pki-identities */
#define PKI_PSKS_MAX	256	/* PSKs of one identity */
#define PKI_ALLOW_MAX	64
#define PKI_UPLOADS_MAX	4	/* CRLs that come in pieces, at once */

struct pki_psk_entry {
	char		 peer[128];	/* pattern; "": any peer */
	struct secret	*psk;
};

struct pki_entry {
	struct pki_entry	*next;
	char			 name[64];
	enum pki_method		 method;
	struct ident		 id;
	struct sign_key		*key;
	bool			 pss;
	struct cert_set		 chain;		/* leaf first */
	struct cert_set		 anchors;
	size_t			 n_psks;
	struct pki_psk_entry	 psks[PKI_PSKS_MAX];
	struct pki_seen		 seen;
	size_t			 n_crls;	/* pki_ring_crl.h */
	struct pki_crl_item	*crls[CRL_SET_MAX];
	uint64_t		 crl_tag;	/* changes with them */
	struct secret		*staple;	/* pki_ring_staple.h */
	int64_t			 staple_made, staple_next;
	uint64_t		 tokens;	/* of the rate cap, in 1/1000 */
	uint64_t		 filled;	/* ms, when they were counted */
};

struct pki_allow {
	uid_t	uid;
	char	name[64];
};

/* A CRL that has not come whole. */
struct pki_upload {
	uint64_t	 transfer;
	size_t		 size;		/* 0: free */
	size_t		 have, room;
	uint8_t		*octets;
	uint64_t	 began;
};

struct pki_ring {
	struct pki_entry	*entries;
	size_t			 n;
	size_t			 n_allow;
	struct pki_allow	 allow[PKI_ALLOW_MAX];
	uint64_t		 rate;		/* signatures a second, each */
	uint64_t		 began;		/* uploads so far */
	struct pki_upload	 uploads[PKI_UPLOADS_MAX];
};

void pki_ring_init(struct pki_ring *r, uint64_t rate);
void pki_ring_fini(struct pki_ring *r);		/* wipes */

/* Take what the message hands over.  A name that is there is replaced; a PSK
 * joins the PSKs of its identity.  -1: *why says what is wrong with it, and
 * nothing has changed. */
int pki_ring_load(struct pki_ring *r, const struct pki_load *m,
    struct reason *why);
int pki_ring_unload(struct pki_ring *r, const char *name,
    struct reason *why);

/* "1000=spoke1": from now on only the named uids may use this identity. */
int pki_ring_allow(struct pki_ring *r, const char *text, struct err *e);

/* The entry, if this uid may use it; NULL with *why else. */
struct pki_entry *pki_ring_find(struct pki_ring *r, const char *name,
    uid_t uid, struct reason *why);

/* Count one use at now (ms); false: over the rate.  In thousandths of a
 * signature: an IKE SA costs two MACs of a PSK, each far cheaper. */
#define PKI_COST_SIGN	1000
#define PKI_COST_PSK	250
bool pki_ring_take(struct pki_ring *r, struct pki_entry *n, uint64_t now,
    uint64_t cost);

#endif
