/* What RFC 2332 and the robustness cases demand of the engine, packet by
 * packet. */
#include "nhrp_sim.h"
#include "nhrp_sim_body.h"

#define TEST(name, fn) { name, fn, NULL, NULL, NULL }

/* A packet of an attacker with a good SA, or of a foreign peer. */
struct craft {
	uint8_t		type, hops, prefix;
	uint16_t	flags, hold, code;
	uint32_t	id;
	struct addr	nbma, src, dst, cie_nbma, cie_proto;
	const char	*auth;		/* NULL: none */
	uint16_t	ext;		/* one more extension, its type */
	bool		compulsory;
	struct addr	ext_proto;	/* as a CIE in it; none: empty */
	bool		no_cie;
	const void	*payload;
	size_t		payload_len;
	uint8_t		b[NHRP_MAX];
	size_t		len;
};

static void
craft(struct craft *c)
{
	struct nhrp n = { .afn = NHRP_AFN_IP4, .protocol = NHRP_PROTO_IP4,
	    .hops = c->hops, .type = c->type, .flags = c->flags,
	    .id = c->id, .code = c->code, .src_nbma = c->nbma,
	    .src_proto = c->src, .dst_proto = c->dst };
	struct nhrp_cie cie = { .code = (uint8_t)c->code,
	    .prefix = c->prefix, .hold = c->hold, .nbma = c->cie_nbma,
	    .proto = c->cie_proto };
	struct rbuf none = rbuf_of(NULL, 0);
	struct rbuf payload = rbuf_of(c->payload, c->payload_len);
	struct nhrp_cie in = { .proto = c->ext_proto };
	struct nhrp_out o;

	nhrp_begin(&o, c->b, sizeof(c->b), &n);
	if (c->type >= NHRP_ERROR_INDICATION)
		nhrp_put(&o, &payload);
	else if (!c->no_cie)
		nhrp_put_cie(&o, &cie);
	if (c->ext != NHRP_EXT_RESPONDER)
		nhrp_ext_put(&o, NHRP_EXT_RESPONDER, true, &none);
	if (c->ext != NHRP_EXT_FORWARD)
		nhrp_ext_put(&o, NHRP_EXT_FORWARD, true, &none);
	if (c->auth != NULL)
		nhrp_ext_put_auth(&o, c->auth, strlen(c->auth));
	if (c->ext != 0) {
		nhrp_ext_open(&o, c->ext, c->compulsory);
		if (c->ext_proto.len > 0)
			nhrp_put_cie(&o, &in);
		nhrp_ext_close(&o);
	}
	assert_int_equal(nhrp_end(&o, NULL), 0);
	c->len = o.w.len;
}

/* From `from`'s peer number into x, then some time passes. */
static void
into(struct sim_site *x, struct sim_site *from, struct craft *c)
{
	craft(c);
	sim_inject(x, sim_number(x, from), c->b, c->len);
	sim_run(x->sim, 20);
}

static struct craft
registration(struct sim_site *from, struct sim_site *hub)
{
	return (struct craft){ .type = NHRP_REGISTRATION_REQUEST,
	    .hops = 255, .prefix = 32, .hold = 600, .id = 7777,
	    .nbma = from->nbma, .src = from->tunnel, .dst = hub->tunnel };
}

static struct craft
resolution(struct sim_site *from, const struct addr *dst)
{
	return (struct craft){ .type = NHRP_RESOLUTION_REQUEST, .hops = 255,
	    .flags = 0xc802, .hold = 600, .id = 8888, .nbma = from->nbma,
	    .src = from->tunnel, .dst = *dst };
}

static void
set_auth(struct sim *s, const char *text)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		s->sites[i].conf.authentication = rbuf_of(text,
		    strlen(text));
}

/* The code of the CIE in the last packet that x sent. */
static int
last_code(struct sim_site *x, uint16_t *hold)
{
	struct rbuf in = x->last_sent.cies;
	struct nhrp_cie cie;

	if (nhrp_cie_next(&x->last_sent, &in, &cie, NULL) <= 0)
		return -1;
	if (hold != NULL)
		*hold = cie.hold;
	return cie.code;
}

static void
test_auth(void **state)
{
	static const char *const wrong[] = { NULL, "wrong!", "secre",
	    "secret1" };
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1], *to;
	size_t i;
	uint8_t type;

	(void)state;
	set_auth(s, "secret");
	sim_start(s);
	sim_run(s, 1000);
	assert_int_equal(hub->n_registered, 2);
	for (i = 0; i < 4; i++)
		for (type = 1; type <= 8; type++) {
			struct craft c = registration(a, hub);
			uint64_t before;
			unsigned errors;

			sim_run(s, 1000);
			to = type == 4 || type == 8 ? a : hub;
			before = sim_counter(to, "authentication-failed");
			errors = to->n_sent[NHRP_ERROR_INDICATION];
			c.type = type;
			c.auth = wrong[i];
			c.code = 0;
			into(to, to == a ? hub : a, &c);
			errors = to->n_sent[NHRP_ERROR_INDICATION] - errors;
			if (type == NHRP_ERROR_INDICATION) {
				assert_int_equal(errors, 0);
				continue;
			}
			assert_int_equal(sim_counter(to,
			    "authentication-failed"), before + 1);
			assert_int_equal(errors, type != 8);
			if (type != 8)
				assert_int_equal(to->last_sent.code,
				    NHRP_ERR_AUTH);
			assert_null(strstr(to->last.text, "secret"));
		}
	assert_int_equal(hub->n_registered, 2);
	assert_int_equal(hub->n_unregistered, 0);
	sim_free(s);
}

static void
test_hop_by_hop_auth(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];

	(void)state;
	set_auth(s, "secret");
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_int_equal(a->n_short_up, 1);
	sim_free(s);
}

static void
test_nbma_lie(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c = registration(a, hub);
	struct nhrp_cache *page = calloc(1, sizeof(*page));
	struct page p = { .after = 0 };
	size_t i;
	bool seen = false;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.nbma = s->sites[2].nbma;	/* a third party's */
	into(hub, a, &c);
	assert_int_equal(last_code(hub, NULL), 0);
	nhrp_engine_cache(hub->g, s->now, &p, page);
	for (i = 0; i < page->n_items; i++)
		if (addr_equal(&page->items[i].prefix.addr, &a->tunnel)) {
			assert_true(addr_equal(&page->items[i].nbma.addr,
			    &a->nbma));
			seen = true;
		}
	assert_true(seen);
	free(page);
	sim_free(s);
}

static void
test_addresses(void **state)
{
	static const struct { uint8_t a[4]; uint8_t prefix; } rows[] = {
		{ { 10, 9, 0, 1 }, 32 }, { { 10, 9, 0, 0 }, 32 },
		{ { 10, 9, 255, 255 }, 32 }, { { 224, 0, 0, 5 }, 32 },
		{ { 0, 0, 0, 0 }, 32 }, { { 127, 0, 0, 1 }, 32 },
		{ { 0, 0, 0, 0 }, 0 }, { { 192, 168, 7, 0 }, 24 },
		{ { 10, 9, 0, 2 }, 33 }, { { 10, 9, 0, 2 }, 129 },
		{ { 10, 9, 0, 2 }, 254 }, { { 10, 9, 0, 2 }, 16 },
		{ { 10, 9, 0, 9 }, 32 },
	};
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	uint16_t hold = 1;
	size_t i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct craft c = registration(a, hub);

		c.cie_proto = addr_of(rows[i].a, 4);
		c.prefix = rows[i].prefix;
		sim_run(s, 100);
		into(hub, a, &c);
		assert_int_equal(hub->last_sent.type,
		    NHRP_REGISTRATION_REPLY);
		if (last_code(hub, &hold) != NHRP_CODE_PROHIBITED ||
		    hold != 0)
			fail_msg("row %zu was taken", i);
	}
	assert_int_equal(hub->n_registered, 2);
	assert_int_equal(hub->n_routes, 0);
	/* no entry at all is a protocol error */
	{
		struct craft c = registration(a, hub);

		c.no_cie = true;
		into(hub, a, &c);
		assert_int_equal(hub->last_sent.type, NHRP_ERROR_INDICATION);
		assert_int_equal(hub->last_sent.code, NHRP_ERR_PROTOCOL);
	}
	sim_free(s);
}

static void
test_prefix_forms(void **state)
{
	static const uint8_t ok[] = { 32, 255, 0 };
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	size_t i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < 3; i++) {
		struct craft c = registration(a, hub);

		c.prefix = ok[i];
		into(hub, a, &c);
		assert_int_equal(last_code(hub, NULL), 0);
	}
	/* FRR's dynamic NHS: its own address as destination */
	{
		struct craft c = registration(a, hub);

		c.dst = a->tunnel;
		into(hub, a, &c);
		assert_int_equal(last_code(hub, NULL), 0);
		assert_true(addr_equal(&hub->last_sent.dst_proto,
		    &hub->tunnel));
	}
	sim_free(s);
}

static struct craft
indication(struct sim_site *hub, const struct addr *src,
    const uint8_t ip[28])
{
	return (struct craft){ .type = NHRP_TRAFFIC_INDICATION, .hops = 255,
	    .nbma = hub->nbma, .src = hub->tunnel, .dst = *src,
	    .payload = ip, .payload_len = 28 };
}

static void
test_indications(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr src = sim_lan(a, 1);
	uint8_t ip[28] = { 0x45, 0, 0, 84, 0, 0, 0, 0, 63, 1, 0, 0, 10, 1, 0,
	    1, 10, 3, 0, 1 };
	struct craft c = indication(hub, &src, ip);
	unsigned i;

	(void)state;
	s->ike_fails = true;
	sim_start(s);
	sim_run(s, 1000);
	/* from a peer that is no server */
	sim_link(b, a, "", "");
	sim_run(s, 20);
	c.src = b->tunnel;
	into(a, b, &c);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST], 0);
	assert_int_equal(sim_counter(a, "not-from-a-server"), 1);
	/* a cut packet inside */
	c = indication(hub, &src, ip);
	for (i = 0; i < 20; i++) {
		c.payload_len = i;
		into(a, hub, &c);
	}
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST], 0);
	/* to where nothing of ours goes through the tunnel */
	c = indication(hub, &src, ip);
	ip[16] = 8;
	into(a, hub, &c);
	ip[16] = 224;
	into(a, hub, &c);
	ip[16] = 10;
	ip[17] = 1;	/* our own LAN */
	into(a, hub, &c);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST], 0);
	/* a thousand for one flow are one question */
	ip[17] = 3;
	for (i = 0; i < 1000; i++) {
		craft(&c);
		sim_inject(a, sim_number(a, hub), c.b, c.len);
		sim_run(s, 1);
	}
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST], 1);
	assert_int_equal(a->n_connect, 1);
	sim_free(s);
}

static void
test_redirect_rate(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	unsigned i;

	(void)state;
	a->conf.shortcut = false;
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < 1000; i++) {
		sim_hairpin(a, b);
		sim_run(s, 10);
	}
	assert_in_range(hub->n_redirect_out, 4, 6);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST], 0);
	sim_free(s);
}

static void
test_hops(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr dst = sim_lan(b, 1);
	struct craft c = resolution(a, &dst);

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.hops = 0;
	into(hub, a, &c);
	assert_int_equal(hub->last_sent.type, NHRP_ERROR_INDICATION);
	assert_int_equal(hub->last_sent.code, NHRP_ERR_HOPS);
	assert_int_equal(b->n_sent[NHRP_RESOLUTION_REPLY], 0);
	c.hops = 1;
	into(hub, a, &c);
	assert_int_equal(b->n_sent[NHRP_RESOLUTION_REPLY], 1);
	sim_free(s);
}

static void
test_loops(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr dst = sim_lan(b, 1);
	struct craft c = resolution(a, &dst);

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.ext = NHRP_EXT_FORWARD;
	c.compulsory = true;
	c.ext_proto = hub->tunnel;
	into(hub, a, &c);
	assert_int_equal(hub->last_sent.code, NHRP_ERR_LOOP);
	c.ext = NHRP_EXT_RESPONDER;
	into(hub, a, &c);
	assert_int_equal(hub->last_sent.code, NHRP_ERR_LOOP);
	assert_int_equal(sim_counter(hub, "loops"), 2);
	assert_int_equal(b->n_sent[NHRP_RESOLUTION_REPLY], 0);
	/* our own packet that comes back */
	c = resolution(hub, &dst);
	into(hub, a, &c);
	assert_int_equal(sim_counter(hub, "loops"), 3);
	assert_int_equal(hub->n_sent[NHRP_ERROR_INDICATION], 2);
	sim_free(s);
}

static void
test_errors(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft in = registration(a, hub), c;
	unsigned i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	craft(&in);
	for (i = 0; i < 20; i++) {
		c = (struct craft){ .type = NHRP_ERROR_INDICATION,
		    .hops = (uint8_t)(i % 3), .code = (uint16_t)i,
		    .nbma = a->nbma, .src = a->tunnel,
		    .dst = i % 2 ? hub->tunnel : a->tunnel,
		    .payload = in.b, .payload_len = in.len - i,
		    .ext = 0x1fff, .compulsory = true };
		into(hub, a, &c);
	}
	assert_int_equal(hub->n_sent[NHRP_ERROR_INDICATION], 0);
	assert_int_equal(hub->n_unregistered, 0);
	sim_free(s);
}

static void
test_error_reasons(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c;

	(void)state;
	s->mute_hub = true;
	sim_start(s);
	sim_run(s, 200);
	c = (struct craft){ .type = NHRP_ERROR_INDICATION, .hops = 255,
	    .code = NHRP_ERR_AUTH, .nbma = hub->nbma, .src = hub->tunnel,
	    .dst = a->tunnel, .payload = a->last_bytes,
	    .payload_len = a->last_len };
	into(a, hub, &c);
	assert_string_equal(a->last.code, "authentication-failure");
	c.code = NHRP_ERR_LOOP_OLD;	/* FRR's number */
	into(a, hub, &c);
	assert_string_equal(a->last.code, "loop-detected-old");
	sim_free(s);
}

static void
test_caps(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr net = addr_of("\x0a\x09\x07\x00", 4);
	unsigned i, refused = 0;

	(void)state;
	a->blocks[0] = prefix_mask(&net, 16);	/* may claim them all */
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < 40; i++) {
		struct craft c = registration(a, hub);
		uint8_t t[4] = { 10, 9, 7, (uint8_t)(i + 1) };

		c.cie_proto = addr_of(t, 4);
		into(hub, a, &c);
		refused += last_code(hub, NULL) == NHRP_CODE_RESOURCES;
	}
	assert_int_equal(refused, 40 - (NHRP_PEER_BINDINGS - 1));
	/* a flood is cut, and another spoke does not feel it */
	for (i = 0; i < 5000; i++) {
		struct addr dst = sim_lan(b, (uint8_t)i);
		struct craft c = resolution(a, &dst);

		craft(&c);
		sim_inject(hub, sim_number(hub, a), c.b, c.len);
	}
	sim_unlink(b, hub);
	sim_link(b, hub, "hub", "dpd");
	sim_run(s, 900);
	assert_ptr_equal(sim_leads(hub, &b->tunnel), b);
	assert_true(sim_counter(hub, "over-rate") > 4000);
	sim_free(s);
}

static void
test_hold(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c = registration(a, hub);

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.hold = 0;
	into(hub, a, &c);
	assert_int_equal(hub->n_unregistered, 1);
	assert_null(sim_leads(hub, &a->tunnel));
	c.hold = 1;
	into(hub, a, &c);
	sim_run(s, 950);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	sim_run(s, 100);
	assert_null(sim_leads(hub, &a->tunnel));
	c.hold = 65535;
	into(hub, a, &c);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	sim_free(s);
}

static void
test_codes(void **state)
{
	static const uint8_t codes[] = { 4, 5, 14, 255 };
	static const char *const names[] = { "administratively-prohibited",
	    "insufficient-resources", "unique-address-registered",
	    "unknown(255)" };
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct sim *s = sim_new(2);
		struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
		    *b = &s->sites[2];
		struct craft c;

		s->mute_hub = true;
		sim_start(s);
		sim_link(b, a, "", "");
		sim_run(s, 200);
		c = registration(a, hub);
		c.type = NHRP_REGISTRATION_REPLY;
		c.id = a->sent_id[0];
		/* from one that is no server: nothing */
		into(a, b, &c);
		assert_int_equal(a->n_up + a->n_down, 0);
		c.code = codes[i];
		into(a, hub, &c);
		assert_int_equal(a->n_up, 0);
		assert_int_equal(a->n_down, 1);
		assert_string_equal(a->last.code, names[i]);
		sim_free(s);
	}
}

static void
test_strangers(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c = registration(a, hub);

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	craft(&c);
	sim_inject(hub, 0, c.b, c.len);
	sim_inject(hub, 4711, c.b, c.len);
	sim_run(s, 20);
	assert_int_equal(sim_counter(hub, "from-unknown-peer"), 2);
	assert_int_equal(hub->n_registered, 2);
	assert_int_equal(hub->n_sent[NHRP_ERROR_INDICATION], 0);
	sim_free(s);
}

static void
test_steps(void **state)
{
	static const struct { bool hub; uint8_t type; } absent[] = {
		{ true, NHRP_REGISTRATION_REPLY },
		{ true, NHRP_TRAFFIC_INDICATION },
		{ false, NHRP_REGISTRATION_REQUEST },
	};
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	size_t i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < 3; i++) {
		struct sim_site *x = absent[i].hub ? hub : a;
		struct craft c = registration(a, hub);
		uint64_t before = sim_counter(x, "not-for-this-role");
		uint64_t out = sim_counter(x, "sent");

		c.type = absent[i].type;
		into(x, x == hub ? a : hub, &c);
		assert_int_equal(sim_counter(x, "not-for-this-role"),
		    before + 1);
		assert_int_equal(sim_counter(x, "sent"), out);
	}
	sim_free(s);
}

static void
test_compulsory(void **state)
{
	static const uint16_t known[] = { NHRP_EXT_VENDOR, NHRP_EXT_NAT, 10 };
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c = registration(a, hub);
	size_t i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.ext = 99;
	into(hub, a, &c);
	assert_int_equal(last_code(hub, NULL), 0);
	c.compulsory = true;
	into(hub, a, &c);
	assert_int_equal(hub->last_sent.type, NHRP_ERROR_INDICATION);
	assert_int_equal(hub->last_sent.code, NHRP_ERR_EXTENSION);
	for (i = 0; i < 3; i++) {
		c.ext = known[i];
		into(hub, a, &c);
		assert_int_equal(last_code(hub, NULL), 0);
	}
	sim_free(s);
}

static void
test_spoof(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr dst = sim_lan(&s->sites[3], 1);
	unsigned replies;
	struct craft c;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	/* a asks in b's name, and purges b's registration */
	c = resolution(b, &dst);
	into(hub, a, &c);
	c = registration(b, hub);
	c.type = NHRP_PURGE_REQUEST;
	c.cie_proto = b->tunnel;
	into(hub, a, &c);
	c.src = a->tunnel;
	into(hub, a, &c);
	assert_int_equal(sim_counter(hub, "source-of-another"), 2);
	assert_int_equal(hub->n_unregistered, 0);
	/* its own, with and without the N bit */
	replies = hub->n_sent[NHRP_PURGE_REPLY];
	c.cie_proto = a->tunnel;
	c.flags = NHRP_P_NO_REPLY;
	into(hub, a, &c);
	assert_int_equal(hub->n_unregistered, 1);
	assert_int_equal(hub->n_sent[NHRP_PURGE_REPLY], replies);
	sim_free(s);
}

/* RFC 2332, 5.2.1: only a stable source with a holding time is kept. */
static void
test_source_binding(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr dst = sim_lan(b, 1);
	struct craft c = resolution(a, &dst);
	unsigned i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < 3; i++) {
		c.flags = i == 0 ? 0xc002 : 0xc802;
		c.hold = i == 1 ? 0 : 600;
		into(b, hub, &c);
		sim_link(a, b, "", "");
		sim_run(s, 20);
		assert_ptr_equal(sim_leads(b, &a->tunnel),
		    i == 2 ? a : NULL);
		sim_unlink(a, b);
		sim_run(s, 20);
	}
	sim_free(s);
}

/* A reply of a NATed peer that does not know our extension. */
static void
test_foreign_nat(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct gre_resolve ev = { .address = b->tunnel };
	struct nhrp_cie cie, nat = { 0 };
	struct nhrp n;
	struct nhrp_out o;
	uint8_t buf[NHRP_MAX];

	(void)state;
	snprintf(ev.interface, sizeof(ev.interface), "dmvpn0");
	sim_start(s);
	sim_run(s, 1000);
	s->mute_hub = true;
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	n = a->last_sent;
	n.type = NHRP_RESOLUTION_REPLY;
	cie = (struct nhrp_cie){ .prefix = 32, .hold = 600,
	    .nbma = addr_of("\xc0\xa8\x01\x07", 4), .proto = b->tunnel };
	nat.nbma = addr_of("\xcb\x00\x71\x09", 4);
	nat.proto = b->tunnel;
	nhrp_begin(&o, buf, sizeof(buf), &n);
	nhrp_put_cie(&o, &cie);
	nhrp_ext_open(&o, NHRP_EXT_NAT, false);
	nhrp_put_cie(&o, &nat);
	nhrp_ext_close(&o);
	assert_int_equal(nhrp_end(&o, NULL), 0);
	sim_inject(a, sim_number(a, hub), buf, o.w.len);
	sim_run(s, 100);
	assert_int_equal(a->n_connect, 0);
	assert_ptr_equal(sim_leads(a, &b->tunnel), hub);
	{
		struct nhrp_why q = { .address = b->tunnel };
		struct nhrp_why_reply *w = calloc(1, sizeof(*w));

		nhrp_engine_why(a->g, s->now, &q, w);
		assert_non_null(strstr(w->lines[0], "is behind a NAT"));
		free(w);
	}
	sim_free(s);
}

static void
test_victims(void **state)
{
	static const uint8_t nbma[][4] = { { 198, 18, 0, 2 },
	    { 224, 0, 0, 1 }, { 127, 0, 0, 1 }, { 0, 0, 0, 0 } };
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	unsigned i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	s->mute_hub = true;
	for (i = 0; i < 4; i++) {
		struct craft c = resolution(a, &hub->tunnel);
		struct nhrp_resolve r = { .interface = "dmvpn0" };

		r.address = sim_lan(&s->sites[2], (uint8_t)(i + 1));
		nhrp_engine_resolve(a->g, s->now, &r, 5, NULL);
		c.type = NHRP_RESOLUTION_REPLY;
		c.id = a->last_sent.id;
		c.dst = r.address;
		c.prefix = 16;
		c.cie_nbma = addr_of(nbma[i], 4);
		c.cie_proto = s->sites[2].tunnel;
		into(a, hub, &c);
		assert_int_equal(a->n_resolved, i + 1);
		assert_int_equal(a->entry.kind, NHRP_KIND_NEGATIVE);
	}
	assert_int_equal(a->n_connect, 0);
	sim_free(s);
}

static void
test_routes(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct prefix p = sim_subnet(a);

	(void)state;
	hub->conf.routes = true;
	sim_start(s);
	sim_run(s, 1000);
	assert_non_null(sim_route(hub, &p));
	assert_true(addr_equal(&sim_route(hub, &p)->via, &a->tunnel));
	assert_int_equal(hub->n_routes, 2);
	sim_unlink(a, hub);
	sim_run(s, 20);
	assert_null(sim_route(hub, &p));
	assert_int_equal(hub->n_routes, 1);
	sim_free(s);
}

static void
test_use(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];
	struct prefix pb = sim_subnet(b);
	uint64_t packets = 1;
	unsigned i;

	(void)state;
	a->conf.hold = b->conf.hold = 60;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	/* in use: refreshed, again and again */
	for (i = 0; i < 300; i += 5) {
		nhrp_engine_count(a->g, s->now, sim_number(a, b),
		    ++packets);
		sim_run(s, 5000);
	}
	assert_non_null(sim_route(a, &pb));
	assert_true(a->n_sent[NHRP_RESOLUTION_REQUEST] > 4);
	assert_int_equal(a->n_short_down, 0);
	/* quiet: it ends with its holding time */
	sim_run(s, 120 * 1000);
	assert_null(sim_route(a, &pb));
	/* and with idle, sooner */
	a->conf.idle = 10;
	sim_set(a);
	sim_run(s, 2000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_non_null(sim_route(a, &pb));
	sim_run(s, 12000);
	assert_null(sim_route(a, &pb));
	sim_free(s);
}

static void
clear_site(struct sim_site *x)
{
	x->conf.profile[0] = '\0';
	x->conf.nbma = x->nbma;
	if (x->conf.n_nhs > 0) {
		x->conf.nhs[0].connection[0] = '\0';
		x->conf.nhs[0].nbma = x->sim->sites[0].nbma;
	}
}

static void
test_clear(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct prefix pb = sim_subnet(b);
	size_t i;

	(void)state;
	for (i = 0; i < s->n; i++)
		clear_site(&s->sites[i]);
	sim_start(s);
	sim_run(s, 1000);
	assert_int_equal(hub->n_registered, 2);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_non_null(sim_route(a, &pb));
	assert_ptr_equal(sim_leads(a, &b->tunnel), b);
	/* the egress knows the requester's address before it answers */
	assert_int_not_equal(sim_number(b, a), 0);
	assert_ptr_equal(sim_leads(b, &a->tunnel), a);
	/* the peers that nothing needs any more go, after a while */
	assert_int_equal(nhrp_engine_delete(a->g, s->now, "dmvpn0", NULL),
	    0);
	sim_run(s, 5000);
	assert_int_equal(sim_number(a, hub), 0);
	assert_int_not_equal(sim_number(hub, a), 0);
	sim_run(s, 120 * 1000);
	assert_int_equal(sim_number(hub, a), 0);
	assert_int_not_equal(sim_number(hub, b), 0);
	sim_free(s);
}

static void
test_clear_unique(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	uint16_t hold = 1;
	struct craft c;
	size_t i;

	(void)state;
	for (i = 0; i < s->n; i++)
		clear_site(&s->sites[i]);
	sim_start(s);
	sim_run(s, 1000);
	/* without identities the unique flag decides */
	c = registration(a, hub);
	c.nbma = b->nbma;
	into(hub, b, &c);
	assert_int_equal(last_code(hub, &hold), NHRP_CODE_UNIQUE);
	assert_int_equal(hold, 0);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	c.nbma = a->nbma;
	into(hub, a, &c);	/* a again, not unique now */
	c.nbma = b->nbma;
	into(hub, b, &c);
	assert_int_equal(last_code(hub, NULL), 0);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), b);
	sim_free(s);
}

static struct addr
six(uint8_t n)
{
	uint8_t b[16] = { 0xfd, 0, 0, 9, [15] = n };

	return addr_of(b, 16);
}

static void
test_six(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct gre_resolve ev;
	size_t i;

	(void)state;
	for (i = 0; i < s->n; i++) {
		struct sim_site *x = &s->sites[i];

		x->conf.n_addresses = 2;
		x->conf.addresses[1].addr = six((uint8_t)(i + 1));
		x->conf.addresses[1].len = 64;
		x->blocks[1] = prefix_host(&x->conf.addresses[1].addr);
		if (i > 0) {
			x->conf.nhs[1] = x->conf.nhs[0];
			x->conf.nhs[1].address = six(1);
			x->conf.n_nhs = 2;
		}
	}
	sim_start(s);
	sim_run(s, 1000);
	assert_int_equal(hub->n_registered, 4);
	assert_int_equal(a->n_up, 2);
	ev = (struct gre_resolve){ .interface = "dmvpn0",
	    .address = six(3) };
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	assert_ptr_equal(sim_leads(a, &ev.address), hub);
	sim_run(s, 500);
	assert_ptr_equal(sim_leads(a, &ev.address), b);
	sim_free(s);
}

static void
test_gone_peers(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct gre_peer row = { .encap = GRE_ENCAP_UDP, .owner = "ike" };

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	row.peer = sim_number(hub, a);
	nhrp_engine_peers_begin(hub->g, s->now);
	nhrp_engine_adopt_peer(hub->g, s->now, &row);
	nhrp_engine_peers_end(hub->g, s->now);
	assert_int_equal(hub->n_unregistered, 1);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	sim_free(s);
}

static void
test_second_server(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct gre_resolve ev = { .interface = "dmvpn0" };

	(void)state;
	/* b is a's second hub */
	b->conf.role = NHRP_ROLE_HUB;
	b->conf.n_nhs = 0;
	a->conf.n_nhs = 2;
	a->conf.nhs[1] = a->conf.nhs[0];
	a->conf.nhs[1].address = b->tunnel;
	snprintf(a->conf.nhs[1].connection,
	    sizeof(a->conf.nhs[1].connection), "hub2");
	a->conf.shortcut = false;
	sim_start(s);
	sim_link(a, b, "hub2", "dpd");
	sim_run(s, 1000);
	assert_int_equal(a->n_up, 2);
	ev.address = addr_of("\x0a\x09\x00\x63", 4);
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	assert_ptr_equal(sim_leads(a, &ev.address), hub);
	sim_unlink(a, hub);
	sim_run(s, 20);
	assert_ptr_equal(sim_leads(a, &ev.address), b);
	assert_int_equal(a->n_down, 1);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("NHRP-06 without our authentication: error 11 once, "
		    "never to an error, no state", test_auth),
		TEST("authentication is made anew at each hop",
		    test_hop_by_hop_auth),
		TEST("NHRP-08 the SA's address counts, not the claimed one",
		    test_nbma_lie),
		TEST("NHRP-09 addresses that nobody may register",
		    test_addresses),
		TEST("prefix lengths of Cisco old and new, FRR's dynamic "
		    "server", test_prefix_forms),
		TEST("NHRP-15 traffic indications: only a server's, only "
		    "for our flows, seldom", test_indications),
		TEST("NHRP-15 a hub redirects a pair once in 2 s",
		    test_redirect_rate),
		TEST("NHRP-16 hop count zero is error 15, one goes on",
		    test_hops),
		TEST("NHRP-16 loops are error 3", test_loops),
		TEST("NHRP-17 no error about an error", test_errors),
		TEST("error codes become reasons, FRR's numbers too",
		    test_error_reasons),
		TEST("NHRP-18 caps for one peer, none for the others",
		    test_caps),
		TEST("NHRP-19 holding times 0, 1 and 65535", test_hold),
		TEST("NHRP-21 codes 4, 5, 14 and 255 are refusals",
		    test_codes),
		TEST("NHRP-24 only authenticated peers are heard",
		    test_strangers),
		TEST("NHRP-23 what has no step is dropped", test_steps),
		TEST("NHRP-05 an unknown compulsory extension is error 1",
		    test_compulsory),
		TEST("NHRP-12 nobody purges or asks for another",
		    test_spoof),
		TEST("a source binding needs the S flag and a holding time",
		    test_source_binding),
		TEST("NHRP-22 a foreign peer behind a NAT stays on the "
		    "hub's path", test_foreign_nat),
		TEST("NHRP-14 replies that name a victim are refused",
		    test_victims),
		TEST("a hub routes certified subnets", test_routes),
		TEST("shortcuts in use are refreshed, quiet ones end",
		    test_use),
		TEST("unprotected tunnels make their own peers",
		    test_clear),
		TEST("NHRP-10 unprotected: the unique flag decides",
		    test_clear_unique),
		TEST("IPv6 on the tunnel", test_six),
		TEST("peers that dmvpn-gre forgot are gone",
		    test_gone_peers),
		TEST("a second server takes over at once",
		    test_second_server),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
