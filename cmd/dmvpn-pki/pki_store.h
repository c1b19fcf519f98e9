#ifndef PKI_STORE_H
#define PKI_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/name.h"
#include "base/secret.h"
#include "crypto/cert.h"

/*
 * The CA's store: one SQLite file, mode 0600, synchronous=EXTRA, so that after
 * a crash or on a full disk it is as before or as after.  It holds the CA's
 * certificate and key (PKCS#8 PEM, encrypted if a passphrase was given; or the
 * URI of a key that a token keeps), every certificate issued and every
 * revocation.  Keys of peers are never in it.
 */
struct pki_store;

enum pki_open { PKI_STORE_OPEN, PKI_STORE_CREATE };

/* Refuses (with a sentence) symbolic links, hard links, files of others, files
 * that others may read, a damaged database, another program's database. */
struct pki_store *pki_store_open(const char *path, enum pki_open how,
    struct err *e);
void pki_store_close(struct pki_store *s);	/* rolls back */

/* One writer at a time; waits up to 60 s, or so long. */
void pki_store_patience(struct pki_store *s, unsigned ms);
int pki_store_begin(struct pki_store *s, struct err *e);
int pki_store_commit(struct pki_store *s, struct err *e);
void pki_store_rollback(struct pki_store *s);	/* nothing open: fine */

struct pki_store_ca {
	struct rbuf	cert;		/* DER; valid until the next call */
	struct rbuf	key;		/* PEM or URI, NUL-ended */
	int64_t		generation;	/* of the key: 1, 2, ... */
};
/* EEXIST when there is one. */
int pki_store_set_ca(struct pki_store *s, struct rbuf cert, struct rbuf key,
    struct err *e);
/* The one that issues now.  ENOENT when there is none yet. */
int pki_store_ca(struct pki_store *s, struct pki_store_ca *ca,
    struct err *e);

/*
 * A CA has one key after the other.  `waiting`: its certificate has not come
 * from the outside CA, or it is a root's next one; `active`: it issues; `old`:
 * it only signs revocation lists, for what it has issued; `retired`: its key is
 * gone.  There is at most one that waits and one that is active.
 */
#define PKI_CA_STATES(X)		\
	X(PKI_CA_WAITING, 0, "waiting")	\
	X(PKI_CA_ACTIVE, 1, "active")	\
	X(PKI_CA_OLD, 2, "old")		\
	X(PKI_CA_RETIRED, 3, "retired")

enum pki_ca_state { PKI_CA_STATES(NAME_ENUM) };
extern const struct name pki_ca_state_names[];

struct pki_authority {
	int64_t			generation;
	enum pki_ca_state	state;
	struct rbuf		cert;	/* DER; empty: it has not come */
	struct rbuf		key;	/* as above; empty once it is gone */
};
/* Oldest first; fn as for pki_store_each. */
int pki_store_authorities(struct pki_store *s,
    int (*fn)(void *arg, const struct pki_authority *a), void *arg,
    struct err *e);
/* ENOENT when none is in this state. */
int pki_store_authority(struct pki_store *s, enum pki_ca_state state,
    struct pki_store_ca *ca, struct err *e);
/* The next generation.  EEXIST: another one is in this state. */
int pki_store_add_authority(struct pki_store *s, enum pki_ca_state state,
    struct rbuf cert, struct rbuf key, int64_t *generation, struct err *e);
/* Retired: the key is wiped. */
int pki_store_set_state(struct pki_store *s, int64_t generation,
    enum pki_ca_state state, struct err *e);
/* The key of this certificate is the one that issues: 0, else EAGAIN, for who
 * has it from before another program changed it. */
int pki_store_is_active(struct pki_store *s, struct rbuf cert,
    struct err *e);
int pki_store_set_certificate(struct pki_store *s, int64_t generation,
    struct rbuf cert, struct err *e);

/* Certificates of CAs that we have no key of (or that link two keys). */
#define PKI_EXTRAS(X)						\
	X(PKI_EXTRA_CHAIN, 0, "chain")	/* up to the root */	\
	X(PKI_EXTRA_ROOT, 1, "root")	/* that we are below of */ \
	X(PKI_EXTRA_NEW_BY_OLD, 2, "new-by-old")	/* RFC 4210, 4.4 */ \
	X(PKI_EXTRA_OLD_BY_NEW, 3, "old-by-new")

enum pki_extra { PKI_EXTRAS(NAME_ENUM) };
extern const struct name pki_extra_names[];

/* One that is there already for this generation is no error. */
int pki_store_add_extra(struct pki_store *s, enum pki_extra kind,
    int64_t generation, struct rbuf der, struct err *e);
int pki_store_extras(struct pki_store *s, int (*fn)(void *arg,
    enum pki_extra kind, int64_t generation, struct rbuf der), void *arg,
    struct err *e);
/* Those of this generation, and all links. */
int pki_store_drop_extras(struct pki_store *s, int64_t generation,
    struct err *e);

/*
 * anchors: what peers should trust: the roots of the keys that are active, old
 * or next; below a root that certifies no addresses the certificates of these keys
 * themselves.  chain: what goes after a certificate that the active key has
 * signed, up to an anchor: for a CA below another one its own certificate and
 * those above, while keys roll over the one that links the new key to the old.
 * Either may be NULL; both are added to.
 */
int pki_store_trust(struct pki_store *s, struct cert_set *chain,
    struct cert_set *anchors, struct err *e);
/* What links a key to the one before; added to. */
int pki_store_links(struct pki_store *s, struct cert_set *links,
    struct err *e);

/* What issuing goes by, beyond the command line. */
#define PKI_SETTINGS(X)				\
	X(PKI_CRL_URL, 0, "crl-url")		\
	X(PKI_CRL_PARTITIONS, 1, "crl-partitions")	\
	X(PKI_OCSP_URL, 2, "ocsp-url")

enum pki_setting { PKI_SETTINGS(NAME_ENUM) };
extern const struct name pki_setting_names[];
#define PKI_SETTING_MAX 256

/* "" when it is not set. */
int pki_store_setting(struct pki_store *s, enum pki_setting what,
    char out[PKI_SETTING_MAX], struct err *e);
int pki_store_set(struct pki_store *s, enum pki_setting what,
    const char *value, struct err *e);

struct pki_row {
	char		name[64];
	char		serial[48];	/* hexadecimal */
	char		profile[16];
	int64_t		from, to;
	int64_t		revoked;	/* 0: not */
	char		why[32];
	struct rbuf	der;		/* empty: it was imported without */
	int64_t		generation;	/* of the key that signed it; to add:
					 * 0 is the active one */
	unsigned	partition;	/* of the CRL: 0 none, 1, 2, ... */
};

/* EEXIST: the serial number is taken.  A row may be revoked already. */
int pki_store_add(struct pki_store *s, const struct pki_row *row,
    struct err *e);
int pki_store_remove(struct pki_store *s, const char *serial, struct err *e);

/* Rows with this name or serial number (NULL: all), oldest first.  fn gives
 * non-zero to stop, which is returned; -1 with e on error. */
int pki_store_each(struct pki_store *s, const char *name_or_serial,
    int (*fn)(void *arg, const struct pki_row *row), void *arg,
    struct err *e);

/* Those that end between from and to, are not revoked, and whose name has no
 * certificate that lasts longer; the first to end first. */
int pki_store_expiring(struct pki_store *s, int64_t from, int64_t to,
    int (*fn)(void *arg, const struct pki_row *row), void *arg,
    struct err *e);

/* Is it news to revoke this row for this reason?  Not if it is revoked already;
 * but what is only held can be revoked for good. */
bool pki_row_revokes(const struct pki_row *row, const char *why);
/* Revoke what is not revoked yet of this name or serial, or only held; *n how
 * many.  In the transaction that is open. */
int pki_store_revoke(struct pki_store *s, const char *name_or_serial,
    int64_t at, const char *why, size_t *n, struct err *e);
/* What is held (RFC 5280, 5.3.1) is good again; in the transaction that is
 * open. */
int pki_store_release(struct pki_store *s, const char *name_or_serial,
    size_t *n, struct err *e);

/* The whole database as the octets of a file, after a full check of it. */
struct secret *pki_store_image(struct pki_store *s, struct err *e);
/* All that `from` has takes the place of all that s has, in the transaction
 * that is open. */
int pki_store_restore(struct pki_store *s, struct pki_store *from,
    struct err *e);

/* What only grows: to tell the newer of two stores. */
struct pki_stamp {
	int64_t	issued, crls;
	int64_t	changes;	/* of pki_store_changes */
	int64_t	tokens;		/* how far they have come, in all */
};
int pki_store_stamp(struct pki_store *s, struct pki_stamp *out,
    struct err *e);

/* How often what is revoked has changed: each revocation adds one, also that
 * for good of what was held, and so does each release.  Cheap, however many
 * certificates there are. */
int pki_store_changes(struct pki_store *s, int64_t *n, struct err *e);

/* Numbers of CRLs only grow, for each key. */
int pki_store_crl_number(struct pki_store *s, uint64_t *number,
    struct err *e);
int pki_store_crl_number_of(struct pki_store *s, int64_t generation,
    uint64_t *number, struct err *e);
/* From now on above this one: what was published elsewhere. */
int pki_store_crl_above(struct pki_store *s, uint64_t number,
    struct err *e);

/* What is revoked, was signed by this key, ends after `now` and is of this
 * partition (0: of any); without der. */
int pki_store_revoked(struct pki_store *s, int64_t generation,
    unsigned partition, int64_t now,
    int (*fn)(void *arg, const struct pki_row *row), void *arg,
    struct err *e);
/* Certificates of this key that live at `now` (neither ended nor revoked; what
 * is held may come back), and when the last of them ends; the highest partition
 * that one is in. */
struct pki_living {
	int64_t		n, last;
	unsigned	partition;
};
int pki_store_living(struct pki_store *s, int64_t generation, int64_t now,
    struct pki_living *out, struct err *e);

#endif
