/*
 * Whole engines behind good keys: node 0 and node 1 are up; the input is a
 * series of payload chains that a member (who holds node 0's keys) sends to
 * node 1, of answers it gives, and of times that pass.  Each record:
 *	exchange (1), what (1), first payload (1), length (2), payloads
 * what: bit 0 response, bits 1..2 how the message id differs from the
 * expected one, bit 3 as one fragment, bits 4..7 time that passes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/prf.h"
#include "crypto/sk.h"
#include "dmvpn-ike/ike_engine.h"
#include "wire/ike.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct side {
	struct ike_engine	*g;
	uint8_t			 sent[32768];
	size_t			 len;
	uint64_t		 ticket;
	const struct msg_type	*asked;
	uint8_t			 auth[64];
	size_t			 auth_len;
	uint64_t		 random;
	struct sk_dir		 out;
	uint64_t		 spi_i, spi_r;
};

static struct side sides[2];
static uint64_t now;
static uint64_t ivs;

static int
draw(void *arg, void *to, size_t len)
{
	struct side *s = arg;
	uint8_t *b = to;
	size_t i;

	for (i = 0; i < len; i++) {
		s->random = s->random * 6364136223846793005u + 1442695040888963407u;
		b[i] = (uint8_t)(s->random >> 33);
	}
	return 0;
}

static int
local_for(void *arg, const struct addr *remote, struct addr *local)
{
	uint8_t octets[4] = { 192, 0, 2, arg == &sides[0] ? 1 : 2 };

	(void)remote;
	*local = addr_of(octets, 4);
	return 0;
}

static void
send_it(void *arg, const struct endpoint *local,
    const struct endpoint *remote, const void *data, size_t len)
{
	struct side *s = arg;

	(void)local;
	(void)remote;
	if (len > sizeof(s->sent))
		__builtin_trap();
	memcpy(s->sent, data, len);
	s->len = len;
}

static void
call_it(void *arg, uint64_t ticket, const struct msg_type *t, const void *m)
{
	struct side *s = arg;
	const struct pki_psk *k = m;

	if (ticket == 0)
		return;
	s->ticket = ticket;
	s->asked = t;
	if (t != &pki_psk_type)
		return;
	s->auth_len = prf_len(k->prf);
	(void)prf_psk_auth(k->prf, rbuf_of("psk", 3), k->message, k->nonce,
	    k->mac, s->auth, NULL);
}

static void
event_it(void *arg, const struct msg_type *t, const void *m)
{
	struct side *s = arg;
	const struct ike_keys *k = m;
	struct sk_suite suite = { .encr = IKE_ENCR_AES_GCM_16,
	    .key_bits = 256, .prf = IKE_PRF_HMAC_SHA384 };
	uint8_t key[64];
	struct wbuf w = wbuf_of(key, sizeof(key));
	char hex[80];

	if (t != &ike_keys_type || s->spi_i != 0)
		return;
	memcpy(hex, strchr(strchr(k->line, ',') + 1, ',') + 1, 72);
	hex[72] = '\0';
	(void)text_unhex(hex, &w, NULL);
	s->spi_i = k->spi_i;
	s->spi_r = k->spi_r;
	(void)sk_dir_set(&s->out, &suite, rbuf_of(key, w.len),
	    rbuf_of(NULL, 0), NULL);
}

static bool
wanted(void *arg, const struct msg_type *t)
{
	(void)arg;
	return t == &ike_keys_type || t == &ike_packet_type;
}

static void
probed(void *arg, uint64_t ticket, const struct ike_probe_reply *r)
{
	(void)arg;
	(void)ticket;
	(void)r;
}

static void
note(void *arg, bool warn, const char *id, const char *peer, const char *why)
{
	(void)arg;
	(void)warn;
	(void)id;
	if (strlen(peer) + strlen(why) > 4096)
		__builtin_trap();
}

static void
answer(struct side *s)
{
	struct pki_identity_reply id = { .method = PKI_METHOD_PSK,
	    .id_type = IKE_ID_FQDN };
	struct pki_sign_reply sig = { .method = IKE_AUTH_PSK };
	const void *m = NULL;
	uint64_t ticket;
	unsigned guard = 0;

	while ((ticket = s->ticket) != 0 && ++guard < 64) {
		s->ticket = 0;
		id.id_data = rbuf_of(s == &sides[0] ? "a.x" : "b.x", 3);
		sig.auth = rbuf_of(s->auth, s->auth_len);
		m = s->asked == &pki_identity_type ? (const void *)&id :
		    s->asked == &pki_psk_type ? (const void *)&sig : NULL;
		ike_engine_answer(s->g, now, 0, ticket, m, NULL);
	}
}

static void
deliver(struct side *to, const uint8_t *b, size_t len, uint16_t port)
{
	uint8_t octets[4] = { 192, 0, 2, to == &sides[0] ? 1 : 2 };
	struct endpoint local = { addr_of(octets, 4), port }, remote;

	octets[3] ^= 3;
	remote = (struct endpoint){ addr_of(octets, 4), port };
	ike_engine_packet(to->g, now, 0, &local, &remote, b, len);
	answer(to);
}

static void
start(struct side *s, uint64_t seed)
{
	struct ike_ops ops = { .arg = s, .random = draw,
	    .local_for = local_for, .send = send_it, .call = call_it,
	    .event = event_it, .wanted = wanted, .probed = probed,
	    .note = note };
	struct ike_profile_set p = { .profile = "p", .identity = "i",
	    .interface = "d", .owner = "f", .accept = true };
	struct reason why;

	memset(s, 0, sizeof(*s));
	s->random = seed;
	s->g = ike_engine_new(&ops, NULL, now, NULL);
	if (s->g == NULL)
		exit(0);
	ike_engine_gre_up(s->g, now, 0);
	(void)ike_engine_profile_set(s->g, now, 0, &p, &why);
	answer(s);
}

/* Bring the two up: four messages. */
static void
meet(void)
{
	struct ike_connection_set c = { .owner = "f", .connection = "c",
	    .profile = "p", .remote.port = 500 };
	struct reason why;
	int i;

	(void)local_for(&sides[1], NULL, &c.remote.addr);
	(void)ike_engine_connection_set(sides[0].g, now, 0, &c, &why);
	ike_engine_wake(sides[0].g, now, 0);
	for (i = 0; i < 2; i++) {
		deliver(&sides[1], sides[0].sent, sides[0].len,
		    i == 0 ? 500 : 4500);
		deliver(&sides[0], sides[1].sent, sides[1].len,
		    i == 0 ? 500 : 4500);
	}
}

static void
member(struct rbuf *in, uint32_t *id)
{
	struct side *s = &sides[0];
	uint8_t exchange = rbuf_u8(in), what = rbuf_u8(in);
	uint8_t first = rbuf_u8(in), b[8192], iv[8];
	uint16_t len = rbuf_be16(in);
	struct rbuf clear = rbuf_sub(in, len < 4096 ? len : 4096);
	bool part = what & 8;
	struct ike_header h = { .spi_i = s->spi_i, .spi_r = s->spi_r,
	    .exchange = (uint8_t)(34 + exchange % 6),
	    .next = part ? IKE_P_SKF : IKE_P_SK };
	struct wbuf w = wbuf_of(b, sizeof(b)), wi = wbuf_of(iv, 8);
	size_t sealed = sk_sealed_len(&s->out, rbuf_left(&clear));

	h.flags = what & 1 ? IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE :
	    IKE_FLAG_INITIATOR;
	h.id = what & 1 ? 0 : *id;
	if ((what >> 1 & 3) == 3)
		h.id--;
	else if (!(what & 1) && !part)
		++*id;
	wbuf_be64(&wi, ++ivs);
	h.length = (uint32_t)(32 + (part ? 4 : 0) + sealed);
	ike_header_put(&w, &h);
	wbuf_u8(&w, first);
	wbuf_u8(&w, 0);
	wbuf_be16(&w, (uint16_t)(h.length - 28));
	if (part)
		wbuf_be32(&w, 0x00010001u + (what >> 1 & 3));
	if (sk_seal(&s->out, &w, 0, iv, clear, NULL) == 0)
		deliver(&sides[1], b, w.len, 4500);
	now += (uint64_t)(what >> 4) * 700;
	ike_engine_wake(sides[1].g, now, 0);
	answer(&sides[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rbuf in = rbuf_of(data, size);
	struct ike_sas page;
	uint32_t id = 2;
	unsigned n = 0;

	now = 1000;
	ivs = 1u << 20;
	start(&sides[0], 1);
	start(&sides[1], 2);
	meet();
	if (sides[0].spi_i == 0)
		__builtin_trap();
	while (rbuf_left(&in) > 5 && n++ < 64)
		member(&in, &id);
	ike_engine_sas(sides[1].g, now, 0, &page);
	ike_engine_free(sides[0].g);
	ike_engine_free(sides[1].g);
	return 0;
}
