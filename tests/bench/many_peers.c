#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/addr.h"
#include "base/num.h"
#include "sys/ask.h"

/*
 * Many peers with an SA each, stated to the dmvpn-gre of $DMVPN_RUN:
 *
 *	many_peers INTERFACE NUMBER a|b REMOTE SEED-FILE
 *
 * Both ends of the bench run it with the same seed; keys are made of it.  Peer
 * i has the tunnel address 10.10.0.0 + i on end a; all have one endpoint, as
 * spokes behind one address would.
 */
#define SOCK	"gre.sock"
#define SPI_A	0x100000
#define SPI_B	0x200000
#define KEY	20		/* AES-128-GCM with its salt */
#define BATCH	32		/* addresses of one gre-map-set */

struct many {
	const char	*interface;
	bool		 a;
	struct addr	 remote;
	uint8_t		 seed[32];
};

/* 32 octets that both ends know, of the seed, a letter and a number. */
static void
derive(const struct many *m, char what, uint32_t i, uint8_t out[32])
{
	uint8_t text[5] = { (uint8_t)what, (uint8_t)(i >> 24),
	    (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };
	unsigned n = 32;

	if (HMAC(EVP_sha256(), m->seed, sizeof(m->seed), text, sizeof(text),
	    out, &n) == NULL)
		exit(111);
}

static void
call(const struct msg_type *t, const void *message,
    const struct msg_type *reply, void *out)
{
	int status = command_call(SOCK, t, message, reply, out);

	if (status != 0)
		exit(status);
}

static void
peer(const struct many *m, uint32_t i)
{
	struct gre_peer_set p = { .owner = "bench", .peer = (uint16_t)i,
	    .encap = GRE_ENCAP_UDP, .remote = { m->remote, 4500 } };
	struct gre_peer_set_reply r;

	call(&gre_peer_set_type, &p, &gre_peer_set_reply_type, &r);
}

static void
pair(const struct many *m, uint32_t i)
{
	struct gre_sa_add s = { .owner = "bench", .peer = (uint16_t)i,
	    .mode = SA_MODE_TRANSPORT, .cipher = ESP_CIPHER_AES128_GCM,
	    .esn = true, .spi_in = (m->a ? SPI_A : SPI_B) + i,
	    .spi_out = (m->a ? SPI_B : SPI_A) + i };
	uint8_t id[32], ab[32], ba[32];

	derive(m, m->a ? 'x' : 'y', i, id);
	derive(m, 'a', i, ab);
	derive(m, 'b', i, ba);
	s.install = rbuf_of(id, 16);
	s.key_in = rbuf_of(m->a ? ba : ab, KEY);
	s.key_out = rbuf_of(m->a ? ab : ba, KEY);
	call(&gre_sa_add_type, &s, NULL, NULL);
}

static void
maps(const struct many *m, uint32_t from, uint32_t to)
{
	struct gre_map_set s = { .owner = "bench" };
	uint8_t a[4] = { 10, 10, 0, 0 };

	(void)snprintf(s.interface, sizeof(s.interface), "%s", m->interface);
	for (; from < to; from++) {
		a[2] = (uint8_t)(from >> 8);
		a[3] = (uint8_t)from;
		s.items[s.n_items].address = addr_of(a, 4);
		s.items[s.n_items++].peer = (uint16_t)from;
	}
	call(&gre_map_set_type, &s, NULL, NULL);
}

static void
state_all(const struct many *m, uint32_t n)
{
	uint32_t i;

	for (i = 1; i <= n; i++) {
		peer(m, i);
		pair(m, i);
	}
	for (i = 1; m->a && i <= n; i += BATCH)
		maps(m, i, i + BATCH > n + 1 ? n + 1 : i + BATCH);
}

int
main(int argc, char **argv)
{
	struct many m = { .interface = argv[1] };
	struct err e;
	uint64_t n;
	FILE *f;

	if (argc != 6 || num_parse(argv[2], 1, 40000, &n, &e) < 0 ||
	    addr_parse(argv[4], &m.remote, &e) < 0 ||
	    (f = fopen(argv[5], "re")) == NULL ||
	    fread(m.seed, sizeof(m.seed), 1, f) != 1) {
		fprintf(stderr, "usage: many_peers INTERFACE NUMBER a|b "
		    "REMOTE SEED-FILE\n");
		return 100;
	}
	fclose(f);
	m.a = argv[3][0] == 'a';
	state_all(&m, (uint32_t)n);
	return 0;
}
