#ifndef SPOKE_LOAD_H
#define SPOKE_LOAD_H

/*
 * What a spoke of the load generator is, and the world all of them share.
 * Each has an IKE engine of its own, an address, a name, and the ends of its
 * CHILD_SAs.
 */
#include "ike_certs.h"

#include "base/num.h"
#include "crypto/esp.h"
#include "sys/loop.h"
#include "wire/esp.h"
#include "wire/gre.h"
#include "wire/nhrp.h"

#define SPOKES_MAX	60000
#define SPOKE_SAS	4	/* CHILD_SAs of one spoke that are known */
#define REASONS		24	/* different ones that are counted */
#define FIRST		2	/* number of the first spoke's address */
#define NHRP_SPREAD	50	/* ms until the first goes out */
#define NHRP_AGAIN	1000	/* ms until a Registration is sent again */

struct load_sa {
	uint32_t	 spi_in, spi_out;
	bool		 esn, heard, standby;
	uint64_t	 next, turn;	/* turn: of installing */
	struct esp_key	*seal, *open;
};

struct spoke {
	struct ike_engine *g;
	unsigned	 index;
	char		 id[32];
	uint16_t	 peer;		/* our number of the hub; 0: not up */
	struct load_sa	 sa[SPOKE_SAS];
	uint64_t	 began, up_at, registered_at;	/* ns; 0: not yet */
	uint64_t	 ask_at;	/* ms: Registration goes out; 0: none */
	uint32_t	 request;
	bool		 rekeying;
	struct rbuf	 cert;
};

struct load_conf {
	const char	*kind;		/* psk, ecdsa, rsa */
	const char	*psk;
	struct endpoint	 hub;
	struct addr	 base;		/* spokes are at base + FIRST + index */
	struct addr	 tunnel;	/* the same, inside; the hub is + 1 */
	uint64_t	 spokes, window, rate, limit, stay, rounds, key;
	const char	*rekey;		/* NULL, ike, child */
	const char	*proposal;
	const char	*certs;		/* directory */
	bool		 nhrp, json, keyed, verbose, tunnel_mode;
};

struct load_answer {
	uint64_t	 ticket;
	const struct msg_type *type;
	bool		 fail;
	uint8_t		 method;
	size_t		 len;
	uint8_t		 data[SIGN_MAX];
};

struct load {
	struct load_conf conf;
	struct spoke	*spokes;
	uint64_t	*due;		/* ms: when each is to be woken */
	uint64_t	 now;		/* ms, CLOCK_BOOTTIME */
	uint64_t	 turn;
	unsigned	 started, up, registered;
	unsigned	 ups, downs, failed;
	struct { char code[48]; unsigned n; } why[REASONS];
	struct sign_key	*key;
	struct rbuf	 anchor;
	struct load_answer answer[16];
	size_t		 n_answers;
	int		 fd[2];		/* ports 500 and 4500 */
	bool		 stop;
};

extern struct load load;

static inline uint64_t
load_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static inline void
load_die(const char *what)
{
	fprintf(stderr, "spoke_load: %s\n", what);
	exit(111);
}

static inline void
load_count(const char *code)
{
	size_t i;

	for (i = 0; i < REASONS - 1; i++)
		if (load.why[i].n == 0 || strcmp(load.why[i].code, code) == 0)
			break;
	snprintf(load.why[i].code, sizeof(load.why[i].code), "%s",
	    i == REASONS - 1 ? "others" : code);
	load.why[i].n++;
}

/* The n-th address from a base. */
static inline struct addr
load_addr(const struct addr *base, uint32_t n)
{
	struct rbuf in = rbuf_of(base->b, 4);
	uint8_t octets[4];
	struct wbuf w = wbuf_of(octets, sizeof(octets));

	wbuf_be32(&w, rbuf_be32(&in) + n);
	return addr_of(octets, 4);
}

static inline struct spoke *
load_spoke_at(const struct addr *a)
{
	struct rbuf in = rbuf_of(a->b, 4), base = rbuf_of(load.conf.base.b, 4);
	uint32_t n = rbuf_be32(&in) - rbuf_be32(&base) - FIRST;

	return a->len == 4 && n < load.conf.spokes ? &load.spokes[n] : NULL;
}

#endif
