#include "ike_int.h"

#include <errno.h>

#include "crypto/prf.h"

#define COOKIE_LIFE	60000	/* ms; the key before is good as long */
#define COOKIE_LEN	21	/* version, 20 octets of hash */

/* "DMVPN toolkit 01": our peers speak UDP encapsulation with or without a
 * NAT between us, and carry the true NAT_DETECTION hash behind the name. */
const uint8_t ike_vendor_name[16] = "DMVPN-toolkit-01";

/* SHA-1(SPIi | SPIr | address | port), RFC 7296, 2.23. */
static int
nat_hash(uint64_t spi_i, uint64_t spi_r, const struct endpoint *p,
    uint8_t out[20])
{
	uint8_t octets[16 + 16 + 2];
	struct wbuf w = wbuf_of(octets, sizeof(octets));
	struct rbuf part;

	wbuf_be64(&w, spi_i);
	wbuf_be64(&w, spi_r);
	wbuf_put(&w, p->addr.b, p->addr.len);
	wbuf_be16(&w, p->port);
	part = wbuf_rbuf(&w);
	return prf_sha1(&part, 1, out, NULL);
}

/* fake: the source hash matches nothing, so that the peer encapsulates in
 * UDP although there is no NAT. */
void
ike_nat_put(struct ike_isa *s, struct ike_out *o, bool fake)
{
	uint8_t hash[20] = { 0 };

	if (fake)
		ike_random(s->g, hash, sizeof(hash));
	else
		nat_hash(s->spi_i, s->spi_r, &s->local, hash);
	ike_put_notify(&o->c, IKE_PROTO_NONE, NULL, 0,
	    IKE_N_NAT_DETECTION_SOURCE_IP, hash, sizeof(hash));
	nat_hash(s->spi_i, s->spi_r, &s->remote, hash);
	ike_put_notify(&o->c, IKE_PROTO_NONE, NULL, 0,
	    IKE_N_NAT_DETECTION_DESTINATION_IP, hash, sizeof(hash));
}

void
ike_vendor_put(struct ike_isa *s, struct ike_out *o)
{
	uint8_t hash[20] = { 0 };

	nat_hash(s->spi_i, s->spi_r, &s->local, hash);
	ike_put(&o->c, IKE_P_VENDOR);
	wbuf_put(&o->w, ike_vendor_name, sizeof(ike_vendor_name));
	wbuf_put(&o->w, hash, sizeof(hash));
	ike_put_end(&o->c);
}

/* Does any notify of this type carry this hash?  seen: was there one? */
static bool
has_hash(const struct ike_in *in, uint16_t type, const uint8_t hash[20],
    bool *seen)
{
	struct rbuf want = rbuf_of(hash, 20);
	size_t i;

	*seen = false;
	for (i = 0; i < in->n_notifies; i++) {
		if (in->notifies[i].type != type)
			continue;
		*seen = true;
		if (rbuf_equal(&in->notifies[i].data, &want))
			return true;
	}
	return false;
}

void
ike_nat_judge(struct ike_isa *s, const struct ike_in *in)
{
	uint8_t hash[20];
	struct rbuf want = rbuf_of(hash, sizeof(hash));
	bool seen;

	s->own_kind = in->own_kind;
	if (nat_hash(in->h.spi_i, in->h.spi_r, &in->remote, hash) < 0)
		return;
	s->nat_remote = !has_hash(in, IKE_N_NAT_DETECTION_SOURCE_IP, hash,
	    &seen) && seen;
	if (in->own_kind)
		s->nat_remote = !rbuf_equal(&in->own_hash, &want);
	if (nat_hash(in->h.spi_i, in->h.spi_r, &in->local, hash) < 0)
		return;
	s->nat_local = !has_hash(in, IKE_N_NAT_DETECTION_DESTINATION_IP,
	    hash, &seen) && seen;
}

/* ---- cookies: stateless (RFC 7296, 2.6) ---- */

static int
cookie_make(struct ike_engine *g, const struct ike_in *in, uint8_t version,
    uint8_t out[COOKIE_LEN])
{
	uint8_t octets[64];
	struct wbuf w = wbuf_of(octets, sizeof(octets));
	struct rbuf parts[2];

	out[0] = version;
	wbuf_put(&w, g->cookie_key[version & 1], sizeof(g->cookie_key[0]));
	wbuf_be64(&w, in->h.spi_i);
	wbuf_be16(&w, in->remote.port);
	wbuf_put(&w, in->remote.addr.b, in->remote.addr.len);
	parts[0] = ike_in_body(in, IKE_P_NONCE);
	parts[1] = wbuf_rbuf(&w);
	return prf_sha1(parts, 2, &out[1], NULL);
}

static void
cookie_rotate(struct ike_engine *g)
{
	if (g->cookie_since != 0 && g->now - g->cookie_since < COOKIE_LIFE)
		return;
	/* at first there is no key before this one: nobody may know it */
	if ((g->cookie_since == 0 && ike_random(g,
	    g->cookie_key[g->cookie_version & 1],
	    sizeof(g->cookie_key[0])) < 0) || ike_random(g,
	    g->cookie_key[(g->cookie_version + 1) & 1],
	    sizeof(g->cookie_key[0])) < 0)
		return;
	g->cookie_version++;
	g->cookie_since = g->now;
}

static bool
cookie_good(struct ike_engine *g, const struct ike_in *in)
{
	const struct ike_notify *n = ike_in_notify(in, IKE_N_COOKIE);
	uint8_t want[COOKIE_LEN];
	struct rbuf data;
	uint8_t version;

	if (n == NULL || rbuf_left(&n->data) != COOKIE_LEN)
		return false;
	data = n->data;
	version = rbuf_u8(&data);
	if ((uint8_t)(g->cookie_version - version) > 1)
		return false;
	return cookie_make(g, in, version, want) == 0 &&
	    secret_equal(want, n->data.p, COOKIE_LEN);
}

int
ike_cookie_check(struct ike_engine *g, const struct ike_in *in)
{
	struct ike_header h = { .spi_i = in->h.spi_i,
	    .exchange = IKE_SA_INIT, .flags = IKE_FLAG_RESPONSE };
	uint8_t cookie[COOKIE_LEN];
	struct ike_out o;

	if (g->n_half_open < g->tune.cookie_from)
		return 1;
	cookie_rotate(g);
	if (cookie_good(g, in))
		return 1;
	if (g->cookie_since == 0 || cookie_make(g, in, g->cookie_version,
	    cookie) < 0)
		return 0;
	ike_out_begin(g, &o);
	ike_put_notify(&o.c, IKE_PROTO_NONE, NULL, 0, IKE_N_COOKIE, cookie,
	    sizeof(cookie));
	ike_send_clear(g, &in->local, &in->remote, &h, &o, NULL);
	g->counters[IKE_C_COOKIES]++;
	return 0;
}
