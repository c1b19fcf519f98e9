#ifndef PKI_OFFICE_H
#define PKI_OFFICE_H

/* A CA in a store, and the desk before it. */
#include "pki_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dmvpn-pki/pki_desk.h"
#include "dmvpn-pki/pki_grant.h"

#define HOUR 3600

static const uint8_t secret[PKI_TOKEN_SECRET] = { 1, 2, 3, 4 };
#define PASSWORD "01020304000000000000000000000000"
#define ID "0a0b0c0d0e0f"

struct office {
	char		 dir[64], path[96];
	struct make	 make;
	struct desk	 desk;
};

static inline void
office_open(struct office *o, const char *key_type)
{
	unsigned char *der = NULL;
	struct err e = { 0 };
	int len;

	memset(o, 0, sizeof(*o));
	snprintf(o->dir, sizeof(o->dir), "/tmp/pki-desk-XXXXXX");
	assert_non_null(mkdtemp(o->dir));
	snprintf(o->path, sizeof(o->path), "%s/ca.db", o->dir);
	make_ca(&o->make, "Test", key_type, NULL);
	len = i2d_X509(o->make.ca.cert, &der);
	o->desk.store = pki_store_open(o->path, PKI_STORE_CREATE, &e);
	assert_non_null(o->desk.store);
	assert_int_equal(pki_store_begin(o->desk.store, &e), 0);
	assert_int_equal(pki_store_set_ca(o->desk.store, rbuf_of(der,
	    (size_t)len), rbuf_of("key", 3), &e), 0);
	assert_int_equal(pki_store_commit(o->desk.store, &e), 0);
	o->desk.cas[0] = o->make.ca;
	o->desk.generations[0] = 1;
	o->desk.n_cas = 1;
	o->desk.crl_days = 7;
	OPENSSL_free(der);
}

static inline void
office_close(struct office *o)
{
	char journal[128];

	desk_fini(&o->desk);
	pki_store_close(o->desk.store);
	make_fini(&o->make);
	snprintf(journal, sizeof(journal), "%s-journal", o->path);
	(void)unlink(journal);
	assert_int_equal(unlink(o->path), 0);
	assert_int_equal(rmdir(o->dir), 0);
}

/* A token for spoke7.test, good for an hour. */
static inline void
office_grant(struct office *o, const char *id, bool hold)
{
	struct pki_want w = make_want("spoke7.test", "spoke");
	struct pki_grant g = { .days = 30, .made = MAKE_NOW,
		.expires = MAKE_NOW + HOUR, .hold = hold };
	struct err e = { 0 };

	snprintf(g.id, sizeof(g.id), "%s", id);
	assert_int_equal(pki_want_san(&w, GEN_DNS, "spoke7.test", &e), 0);
	assert_int_equal(pki_want_address(&w, "10.0.0.7", &e), 0);
	assert_int_equal(pki_grant_fill(&g, &w, &e), 0);
	assert_int_equal(pki_grant_add(o->desk.store, &g, secret, &e), 0);
}

static inline int
office_count_row(void *arg, const struct pki_row *row)
{
	(void)row;
	++*(int *)arg;
	return 0;
}

/* How many certificates there are. */
static inline int
issued(struct office *o)
{
	int n = 0;

	assert_int_equal(pki_store_each(o->desk.store, NULL, office_count_row,
	    &n, NULL), 0);
	return n;
}

#endif
