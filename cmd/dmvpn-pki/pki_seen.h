#ifndef PKI_SEEN_H
#define PKI_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

/*
 * The nonces that were signed: each only once.  Bounded: the oldest are
 * forgotten.  Zeroed storage is an empty set.
 */
#define PKI_SEEN_MAX	4096

struct pki_seen_row {
	uint8_t		hash[32];
	UT_hash_handle	hh;
};

struct pki_seen {
	struct pki_seen_row	*rows;		/* PKI_SEEN_MAX, used in a ring */
	struct pki_seen_row	*table;
	size_t			 next;
	bool			 full;
};

/* 1: was there; 0: is there now; -1: out of memory. */
int pki_seen_add(struct pki_seen *s, const uint8_t hash[32]);
void pki_seen_fini(struct pki_seen *s);

#endif
