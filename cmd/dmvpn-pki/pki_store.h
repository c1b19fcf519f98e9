#ifndef PKI_STORE_H
#define PKI_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

/*
 * The CA's store: one SQLite file, mode 0600, synchronous=EXTRA, so that after
 * a crash or on a full disk it is as before or as after.  It holds the CA's
 * certificate and key (PKCS#8 PEM, encrypted if a passphrase was given), every
 * certificate issued and every revocation.  Keys of peers are never in it.
 */
struct pki_store;

enum pki_open { PKI_STORE_OPEN, PKI_STORE_CREATE };

/* Refuses (with a sentence) symbolic links, hard links, files of others, files
 * that others may read, a damaged database, another program's database. */
struct pki_store *pki_store_open(const char *path, enum pki_open how,
    struct err *e);
void pki_store_close(struct pki_store *s);	/* rolls back */

/* One writer at a time; waits up to 60 s. */
int pki_store_begin(struct pki_store *s, struct err *e);
int pki_store_commit(struct pki_store *s, struct err *e);

struct pki_store_ca {
	struct rbuf	cert;		/* DER; valid until the next call */
	struct rbuf	key;		/* PEM, NUL-ended */
};
/* EEXIST when there is one. */
int pki_store_set_ca(struct pki_store *s, struct rbuf cert, struct rbuf key,
    struct err *e);
/* ENOENT when there is none yet. */
int pki_store_ca(struct pki_store *s, struct pki_store_ca *ca,
    struct err *e);

struct pki_row {
	char		name[64];
	char		serial[48];	/* hexadecimal */
	char		profile[16];
	int64_t		from, to;
	int64_t		revoked;	/* 0: not */
	char		why[32];
	struct rbuf	der;
};

/* EEXIST: the serial number is taken. */
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

/* Revoke what is not revoked yet of this name or serial; *n how many. */
int pki_store_revoke(struct pki_store *s, const char *name_or_serial,
    int64_t at, const char *why, size_t *n, struct err *e);

/* The whole database as the octets of a file, after a full check of it. */
struct secret *pki_store_image(struct pki_store *s, struct err *e);
/* All that `from` has takes the place of all that s has, in one transaction. */
int pki_store_restore(struct pki_store *s, struct pki_store *from,
    struct err *e);

/* What only grows: to tell the newer of two stores. */
struct pki_stamp {
	int64_t	issued, revoked, crls;
};
int pki_store_stamp(struct pki_store *s, struct pki_stamp *out,
    struct err *e);

/* Numbers of CRLs only grow. */
int pki_store_crl_number(struct pki_store *s, uint64_t *number,
    struct err *e);

#endif
