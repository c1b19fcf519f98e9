#ifndef PKI_FETCH_H
#define PKI_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/cert.h"

/*
 * Revocation lists from elsewhere: what is known about one place, whether what
 * comes from it may take the place of what is there, when to ask again, and a
 * copy on the disk.  No network here, and no clock.
 */
#define PKI_FETCH_EVERY	300	/* seconds between two looks */
#define PKI_FETCH_FIRST	10	/* seconds after the first failure */

struct pki_fetch {
	char		 place[1024];	/* URL or path */
	bool		 is_url;
	struct crl_set	 crls;		/* in force; may be none */
	size_t		 len;		/* the octets they came in */
	uint8_t		*octets;
	char		 etag[128], modified[48];	/* of HTTP; or "" */
	bool		 settled;	/* it was there twice: a list that came in
					 * the second of its Last-Modified may
					 * have a successor of the same second */
	unsigned	 fails;		/* since the last success */
	int64_t		 due;		/* wall: look again then */
	bool		 told;		/* the agent has them */
};

int pki_fetch_init(struct pki_fetch *f, const char *place, struct err *e);
void pki_fetch_fini(struct pki_fetch *f);

/*
 * Octets have come (PEM with one or more lists, or DER).  1: they are in
 * force now; 0: they are what is there; -1: e says why they are not taken, and
 * what was there stays: EBADMSG; ESTALE one is older than its predecessor;
 * EPERM not signed by any CA of trust (NULL: not checked here).
 */
int pki_fetch_take(struct pki_fetch *f, struct rbuf octets,
    const struct cert_set *trust, struct err *e);

/* The first nextUpdate of them; INT64_MAX when there is none. */
int64_t pki_fetch_end(const struct pki_fetch *f);

/*
 * When to look again, after a success (fails 0) or a failure: every so many
 * seconds, earlier when the lists end before, with a tenth of their life to
 * spare; after failures from PKI_FETCH_FIRST, doubling, up to `every`.  random
 * spreads a fleet by a tenth.
 */
int64_t pki_fetch_next(const struct pki_fetch *f, int64_t now, uint64_t every,
    uint32_t random);

/* Is it time to look?  A time that pki_fetch_next can not have said at `now`
 * was planned by a clock that was ahead, and is over. */
bool pki_fetch_is_due(const struct pki_fetch *f, int64_t now, uint64_t every);

enum pki_fetch_age {
	PKI_FETCH_FRESH,
	PKI_FETCH_ENDING,	/* less than a tenth of its life is left */
	PKI_FETCH_STALE,	/* nextUpdate has passed, or there is none */
};
enum pki_fetch_age pki_fetch_age(const struct pki_fetch *f, int64_t now);

/* The copy in a directory: PLACE's hash, ".crl" and ".about".  Each is put in
 * place at once and whole; an ".about" that is not of this ".crl" is not
 * believed, and then the whole list is asked for. */
int pki_fetch_save(const struct pki_fetch *f, const char *dir,
    struct err *e);
/* A sentence about what is wrong with the lists of this place, for who looks at
 * the directory (".alarm"); "": all is well. */
int pki_fetch_alarm(const struct pki_fetch *f, const char *dir,
    const char *text, struct err *e);
/* 1: it was there; 0: it was not. -1: it is damaged, or (EPERM) not signed by
 * who is trusted. */
int pki_fetch_restore(struct pki_fetch *f, const char *dir,
    const struct cert_set *trust, struct err *e);

#endif
