#include "ike_member.h"

/* CHILD_SAs of one sender each (RFC 9611). */

#define QUEUES	16

/* dmvpn-gre of this node has so many senders, and as many receivers. */
static void
has_senders(struct sim_node *n, uint8_t senders)
{
	struct gre_status_reply r = { .threads = (uint8_t)(2 * senders),
	    .senders = senders };

	ike_engine_gre_status(n->g, &r);
}

static void
set_queues(struct sim_node *n, uint8_t queues, uint32_t life)
{
	struct ike_profile_set p = sim_profile("p");

	p.queues = queues;
	p.child_lifetime = life;
	p.ike_lifetime = 3 * life;
	sim_set(n, &p);
}

/* Two nodes that are up, node 0 began. */
static struct sim *
up_with(uint64_t seed, uint8_t senders_0, uint8_t senders_1)
{
	struct sim *s = member_new(2, seed, NULL);

	has_senders(&s->n[0], senders_0);
	has_senders(&s->n[1], senders_1);
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 5000);
	assert_int_equal(s->n[0].ups, 1);
	assert_int_equal(s->n[1].ups, 1);
	return s;
}

static unsigned
of_queue(const struct sim_node *n, unsigned queue, bool sends)
{
	unsigned count = 0;
	size_t i;

	for (i = 0; i < n->n_sa; i++)
		count += !n->sa[i].gone && n->sa[i].queue == queue &&
		    !(sends && n->sa[i].standby);
	return count;
}

/* One SA of all and one of each of the first n senders, on both sides; all
 * of them send. */
static void
one_each(struct sim *s, unsigned n)
{
	unsigned q;
	int i;

	sim_agree(&s->n[0], &s->n[1]);
	sim_agree(&s->n[1], &s->n[0]);
	for (i = 0; i < 2; i++) {
		assert_int_equal(sim_isas(&s->n[i]), 1);
		assert_int_equal(sim_live(&s->n[i]), n + 1);
		assert_int_equal(s->n[i].duplicates, 0);
		for (q = 0; q <= n; q++) {
			assert_int_equal(of_queue(&s->n[i], q, false), 1);
			assert_int_equal(of_queue(&s->n[i], q, true), 1);
		}
	}
}

static void
each_sender_gets_an_sa(void **state)
{
	struct sim *s = up_with(301, 3, 3);
	size_t i, k;

	(void)state;
	one_each(s, 3);
	assert_int_equal(s->n[0].notes + s->n[1].notes, 0);
	/* what comes by them goes to as many receivers */
	for (k = 0; k < 2; k++)
		for (i = 0; i < s->n[k].n_sa; i++)
			if (s->n[k].sa[i].queue != 0)
				assert_int_equal(s->n[k].sa[i].spi_in % 3,
				    s->n[k].sa[i].queue - 1);
	sim_free(s);
}

static enum sim_fate
lose_answers_to_creates(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	return p->h.exchange == IKE_CREATE_CHILD_SA &&
	    p->h.flags & IKE_FLAG_RESPONSE ? SIM_DROP : SIM_PASS;
}

static void
who_answers_sends_when_its_answer_has_come(void **state)
{
	struct sim *s = sim_new(2, 304, NULL);

	(void)state;
	has_senders(&s->n[0], 2);
	has_senders(&s->n[1], 2);
	sim_profiles(s);
	s->filter = lose_answers_to_creates;
	sim_connect(s, 0, 1);
	sim_run(s, 4000);
	assert_int_equal(of_queue(&s->n[1], 1, false), 1);
	assert_int_equal(of_queue(&s->n[1], 1, true), 0);
	s->filter = NULL;
	sim_run(s, 5000);
	one_each(s, 2);
	sim_free(s);
}

static void
the_one_that_began_makes_as_many_as_it_has(void **state)
{
	struct sim *s = up_with(302, 2, 4);
	unsigned q;

	(void)state;
	sim_run(s, 60000);
	one_each(s, 2);
	sim_free(s);
	s = up_with(303, 4, 2);
	assert_int_equal(sim_live(&s->n[0]), 5);
	for (q = 0; q <= 4; q++)
		assert_int_equal(of_queue(&s->n[0], q, true), 1);
	assert_int_equal(of_queue(&s->n[1], 0, true), 1);
	assert_int_equal(of_queue(&s->n[1], 1, true), 2);
	assert_int_equal(of_queue(&s->n[1], 2, true), 2);
	sim_free(s);
}

/* ---- what goes over the wire ---- */

struct wire {
	uint64_t	hash;
	unsigned	creates;	/* requests */
};

static enum sim_fate
hash_all(struct sim *s, const struct sim_packet *p)
{
	struct wire *w = s->filter_arg;
	size_t i;

	for (i = 0; i < p->len; i++)
		w->hash = (w->hash ^ p->b[i]) * 0x100000001b3u;
	w->creates += p->h.exchange == IKE_CREATE_CHILD_SA &&
	    !(p->h.flags & IKE_FLAG_RESPONSE);
	return SIM_PASS;
}

/* All that two nodes say in a minute. */
static struct wire
minute(uint8_t senders_0, uint8_t queues_0, uint8_t senders_1,
    uint8_t queues_1)
{
	struct sim *s = sim_new(2, 310, NULL);
	struct wire w = { .hash = 1 };

	s->filter = hash_all;
	s->filter_arg = &w;
	if (senders_0 != 0)
		has_senders(&s->n[0], senders_0);
	if (senders_1 != 0)
		has_senders(&s->n[1], senders_1);
	set_queues(&s->n[0], queues_0, 0);
	set_queues(&s->n[1], queues_1, 0);
	sim_connect(s, 0, 1);
	sim_run(s, 60000);
	assert_int_equal(s->n[0].ups, 1);
	assert_int_equal(s->n[0].notes + s->n[1].notes, 0);
	sim_free(s);
	return w;
}

static void
with_one_sender_nothing_changes_on_the_wire(void **state)
{
	struct wire plain = minute(0, 0, 0, 0);

	(void)state;
	assert_int_equal(plain.creates, 0);
	assert_true(minute(1, 0, 1, 0).hash == plain.hash);
	assert_true(minute(4, 1, 4, 1).hash == plain.hash);
	assert_true(minute(1, 4, 4, 4).hash == plain.hash);
	assert_true(minute(4, 0, 4, 0).hash != plain.hash);
}

static void
who_does_not_answer_is_not_asked(void **state)
{
	(void)state;
	assert_int_equal(minute(4, 0, 4, 1).creates, 0);
	assert_int_equal(minute(4, 0, 1, 0).creates, 0);
	assert_int_equal(minute(4, 0, 4, 0).creates, 4);
	assert_int_equal(minute(4, 3, 4, 0).creates, 3);
}

static bool
drop_sa(struct ike_chain *c, const struct ike_payload *p)
{
	(void)c;
	(void)p;
	return false;
}

static void
put_no(struct ike_chain *c)
{
	ike_put_status(c, IKE_N_TS_UNACCEPTABLE);
}

/* Node 1 answers CREATE_CHILD_SA with this alone. */
static struct sim *
refusing(uint64_t seed, struct member_edit *e, void (*more)(
    struct ike_chain *c), unsigned times)
{
	struct sim *s = member_new(2, seed, NULL);

	*e = (struct member_edit){ .from = 1, .exchange =
	    IKE_CREATE_CHILD_SA, .response = true, .take = drop_sa,
	    .more = more, .times = times };
	has_senders(&s->n[0], 2);
	has_senders(&s->n[1], 2);
	sim_profiles(s);
	member_edit(s, e);
	sim_connect(s, 0, 1);
	return s;
}

static void
any_other_refusal_is_said_once_and_ends_them(void **state)
{
	struct member_edit e;
	struct sim *s = refusing(320, &e, put_no, 0);

	(void)state;
	sim_run(s, 600000);
	assert_int_equal(e.done, 1);
	assert_int_equal(s->n[0].notes, 1);
	assert_int_equal(sim_live(&s->n[0]), 1);
	sim_free(s);
}

/* Both have two senders; node 0 connects, w sees all that is said. */
static void
connect_watched(struct sim *s, struct wire *w)
{
	has_senders(&s->n[0], 2);
	has_senders(&s->n[1], 2);
	sim_profiles(s);
	s->filter = hash_all;
	s->filter_arg = w;
	sim_connect(s, 0, 1);
}

static void
not_now_means_later_each_time(void **state)
{
	struct sim *s = sim_new(2, 321, NULL);
	struct wire w = { 0 };

	(void)state;
	connect_watched(s, &w);
	sim_run(s, 500);
	s->n[1].refuse_sa = true;	/* TEMPORARY_FAILURE */
	sim_run(s, 3600000 / 2);
	assert_in_range(w.creates, 8, 14);
	assert_int_equal(s->n[0].notes, 0);
	s->n[1].refuse_sa = false;
	sim_run(s, 700000);
	one_each(s, 2);
	sim_free(s);
}

/* ---- what the peer may do ---- */

/* A request of node 0 that its engine knows nothing of. */
static void
ask(struct sim *s, uint32_t id, const char *proposal)
{
	struct ike_proposal p;
	struct ike_ts ti = { .type = IKE_TS_IPV4, .protocol = 47,
	    .port_last = 65535, .first = s->n[0].addr, .last = s->n[0].addr };
	struct ike_ts tr = { .type = IKE_TS_IPV4, .protocol = 47,
	    .port_last = 65535, .first = s->n[1].addr, .last = s->n[1].addr };
	uint8_t b[2048], octets[32] = { 0xab, 0xcd };
	struct wbuf w = wbuf_of(b, sizeof(b));
	struct ike_chain c = ike_chain_of(&w);

	octets[3] = (uint8_t)id;
	ike_proposal_parse(proposal, IKE_PROTO_ESP, &p, NULL);
	ike_put_status(&c, IKE_N_USE_TRANSPORT_MODE);
	ike_put_status(&c, IKE_N_SA_RESOURCE_INFO);
	ike_put_sa(&c, &p, 1, octets, 4);
	ike_put_nonce(&c, octets, 32);
	ike_put_ts(&c, IKE_P_TSI, &ti, 1);
	ike_put_ts(&c, IKE_P_TSR, &tr, 1);
	member_send(s, IKE_CREATE_CHILD_SA, id, c.first, b, w.len);
}

static void
queues_without_end_are_refused(void **state)
{
	struct sim *s = member_up(330);
	uint32_t id;

	(void)state;
	ask(s, 2, "aes256gcm16-esn");		/* not for one sender */
	assert_int_equal(sim_live(&s->n[1]), 1);
	has_senders(&s->n[1], 2);
	for (id = 3; id < 40; id++)
		ask(s, id, "aes256gcm16-esn");
	assert_int_equal(of_queue(&s->n[1], 0, false), 1);
	assert_int_equal(of_queue(&s->n[1], 1, false), 2);
	assert_int_equal(of_queue(&s->n[1], 2, false), 2);
	assert_int_equal(s->n[1].notes, 0);
	sim_free(s);
}

static void
one_unlike_the_first_is_refused(void **state)
{
	struct sim *s = member_up(331);

	(void)state;
	has_senders(&s->n[1], 2);
	ask(s, 2, "aes128gcm16-esn");
	ask(s, 3, "aes256gcm16-noesn");
	assert_int_equal(sim_live(&s->n[1]), 1);
	ask(s, 4, "aes256gcm16-esn");
	assert_int_equal(sim_live(&s->n[1]), 2);
	sim_free(s);
}

static bool
other_sa(struct ike_chain *c, const struct ike_payload *p)
{
	static const uint8_t spi[4] = { 0xab, 0xcd, 1, 2 };
	struct ike_proposal other;

	if (p->type != IKE_P_SA)
		return true;
	ike_proposal_parse("aes128gcm16-esn", IKE_PROTO_ESP, &other, NULL);
	ike_put_sa(c, &other, 1, spi, sizeof(spi));
	return false;
}

static void
an_answer_unlike_the_first_is_closed_again(void **state)
{
	struct member_edit e = { .from = 1, .exchange = IKE_CREATE_CHILD_SA,
	    .response = true, .take = other_sa };
	struct sim *s = member_new(2, 332, NULL);

	(void)state;
	has_senders(&s->n[0], 2);
	has_senders(&s->n[1], 2);
	sim_profiles(s);
	member_edit(s, &e);
	sim_connect(s, 0, 1);
	sim_run(s, 600000);
	assert_int_equal(e.done, 1);
	assert_int_equal(s->n[0].n_sa, 1);
	assert_int_equal(s->n[0].notes, 1);
	sim_free(s);
}

/* ---- their life ---- */

static void
rekeys_keep_the_sender(void **state)
{
	struct sim *s = up_with(340, 2, 2);
	size_t before = s->n[0].n_sa;
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		sim_rekey(s, i % 2, true);
		sim_run(s, 2000);
		one_each(s, 2);
		sim_rekey(s, i / 2, false);
		sim_run(s, 2000);
		one_each(s, 2);
	}
	assert_int_equal(s->n[0].n_sa, before + 12);
	sim_free(s);
}

/* dmvpn-gre of this node begins anew. */
static void
gre_anew(struct sim *s, int node)
{
	struct sim_node *n = &s->n[node];
	size_t i;

	ike_engine_gre_down(n->g, s->now);
	for (i = 0; i < n->n_sa; i++)
		n->sa[i].gone = true;
	ike_engine_gre_up(n->g, s->now, SIM_WALL);
}

static void
ts_max_queue_ends_the_tries(void **state)
{
	struct wire w = { 0 };
	struct sim *s;

	(void)state;
	/* two each for the two senders of the other side, then no more */
	assert_int_equal(minute(8, 0, 2, 0).creates, 5);
	s = sim_new(2, 325, NULL);
	s->filter = hash_all;
	s->filter_arg = &w;
	has_senders(&s->n[0], 8);
	has_senders(&s->n[1], 8);
	set_queues(&s->n[0], 0, 0);
	set_queues(&s->n[1], 3, 0);
	sim_connect(s, 0, 1);
	sim_run(s, 60000);
	assert_int_equal(w.creates, 4);
	one_each(s, 3);
	gre_anew(s, 0);			/* nor then */
	sim_run(s, 60000);
	assert_int_equal(w.creates, 8);
	one_each(s, 3);
	assert_int_equal(s->n[0].notes + s->n[1].notes, 0);
	sim_free(s);
}

static void
a_rekeyed_ike_sa_goes_on_with_them(void **state)
{
	int side;

	(void)state;
	for (side = 0; side < 2; side++) {
		struct sim *s = member_new(2, 345 + (uint64_t)side, NULL);

		has_senders(&s->n[0], 2);
		has_senders(&s->n[1], 2);
		sim_profiles(s);
		sim_connect(s, 0, 1);
		sim_run(s, 200);	/* none was made yet */
		sim_rekey(s, side, false);
		sim_run(s, 5000);
		one_each(s, 2);
		sim_rekey(s, side, false);
		sim_run(s, 1000);
		gre_anew(s, 1 - side);
		sim_run(s, 60000);
		one_each(s, 2);
		sim_free(s);
	}
}

static void
hours_of_rekeys_on_a_bad_line_keep_one_each(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 0; seed < 20; seed++) {
		struct sim *s = sim_new(2, 350 + seed, NULL);

		has_senders(&s->n[0], 2);
		has_senders(&s->n[1], 2);
		set_queues(&s->n[0], 0, 60);
		set_queues(&s->n[1], 0, 60);
		sim_connect(s, 0, 1);
		s->loss = 10;
		s->twice = 10;
		s->late = 20;
		sim_run(s, 1200000);
		s->loss = s->twice = s->late = 0;
		set_queues(&s->n[0], 0, 100000);
		set_queues(&s->n[1], 0, 100000);
		sim_run(s, 240000);
		assert_int_equal(s->n[0].downs + s->n[1].downs, 0);
		one_each(s, 2);
		sim_free(s);
	}
}

static void
all_come_back_when_dmvpn_gre_begins_anew(void **state)
{
	int side, i;

	(void)state;
	for (side = 0; side < 2; side++) {
		struct sim *s = up_with(360 + (uint64_t)side, 2, 2);

		for (i = 0; i < 3; i++) {
			gre_anew(s, side);
			sim_run(s, 100);
			assert_int_equal(of_queue(&s->n[side], 0, true), 1);
			sim_run(s, 60000);
			one_each(s, 2);
		}
		sim_free(s);
	}
}

static void
all_come_when_dmvpn_gre_was_gone_for_a_while(void **state)
{
	struct sim *s = sim_new(2, 365, NULL);
	struct wire w = { 0 };

	(void)state;
	connect_watched(s, &w);
	while (w.creates == 0)
		sim_run(s, 1);
	ike_engine_gre_down(s->n[0].g, s->now);	/* the answer is on its way */
	sim_run(s, 100);
	gre_anew(s, 0);
	sim_run(s, 60000);
	one_each(s, 2);
	sim_free(s);
}

static void
all_come_when_dmvpn_gre_takes_them(void **state)
{
	struct sim *s = sim_new(2, 366, NULL);

	(void)state;
	has_senders(&s->n[0], 2);
	has_senders(&s->n[1], 2);
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 500);
	s->n[0].refuse_sa = true;
	sim_run(s, 600000);
	assert_in_range(s->n[0].notes, 5, 12);
	assert_int_equal(sim_live(&s->n[1]), 1);
	s->n[0].refuse_sa = false;
	sim_run(s, 700000);
	one_each(s, 2);
	sim_free(s);
}

/* dmvpn-gre has all SAs but that of this queue. */
static void
lose_one(struct sim *s, int node, unsigned queue)
{
	struct sim_node *n = &s->n[node];
	size_t i;

	ike_engine_gre_down(n->g, s->now);
	for (i = 0; i < n->n_sa; i++) {
		struct gre_sa sa = { .spi_in = n->sa[i].spi_in,
		    .peer = n->sa[i].peer, .owner = "ike",
		    .queue = n->sa[i].queue };

		if (n->sa[i].queue == queue)
			n->sa[i].gone = true;
		else if (!n->sa[i].gone)
			ike_engine_gre_sa(n->g, s->now, &sa);
	}
	ike_engine_gre_up(n->g, s->now, SIM_WALL);
}

static void
a_single_one_that_is_lost_is_made_again(void **state)
{
	int side;
	unsigned q;

	(void)state;
	for (side = 0; side < 2; side++) {
		struct sim *s = up_with(370 + (uint64_t)side, 2, 2);

		for (q = 0; q <= 2; q++) {
			lose_one(s, side, q);
			sim_run(s, 60000);
			one_each(s, 2);
		}
		sim_free(s);
	}
}

static void
all_come_back_when_their_time_was_over(void **state)
{
	struct sim *s = sim_new(2, 375, NULL);

	(void)state;
	has_senders(&s->n[0], 2);
	has_senders(&s->n[1], 2);
	set_queues(&s->n[0], 0, 100);
	set_queues(&s->n[1], 0, 100000);
	sim_connect(s, 0, 1);
	sim_run(s, 5000);
	one_each(s, 2);
	s->n[1].refuse_sa = true;	/* no rekey until their hard time */
	sim_run(s, 125000);
	assert_int_equal(sim_live(&s->n[0]), 0);
	s->n[1].refuse_sa = false;
	sim_run(s, 60000);
	one_each(s, 2);
	sim_free(s);
}

/* The answer to the rekey comes when the old one's time is over. */
static void
a_first_one_that_comes_late_is_not_made_twice(void **state)
{
	struct sim *s = sim_new(2, 376, NULL);

	(void)state;
	set_queues(&s->n[0], 0, 100);
	set_queues(&s->n[1], 0, 100000);
	sim_connect(s, 0, 1);
	sim_run(s, 88000);
	sim_one_sa(s);
	s->filter = lose_answers_to_creates;
	sim_run(s, 27000);
	s->filter = NULL;
	set_queues(&s->n[0], 0, 100000);
	sim_run(s, 60000);
	sim_one_sa(s);
	sim_free(s);
}

/* The engine of this node ends without a word; a new one finds the SAs. */
static void
ike_anew(struct sim *s, int node)
{
	struct sim_node *n = &s->n[node];
	struct gre_peer p = { .peer = n->last_set.peer, .owner = "ike",
	    .encap = n->last_set.encap, .remote = n->last_set.remote,
	    .local = n->last_set.local };
	size_t i;

	snprintf(p.name, sizeof(p.name), "%s", n->last_set.name);
	p.blob = rbuf_of("p", 1);
	ike_engine_free(n->g);
	n->n_answer = 0;
	sim_engine(n, NULL);
	has_senders(n, 2);
	ike_engine_gre_peer(n->g, s->now, &p);
	for (i = 0; i < n->n_sa; i++) {
		struct gre_sa sa = { .spi_in = n->sa[i].spi_in,
		    .peer = n->sa[i].peer, .owner = "ike",
		    .queue = n->sa[i].queue };

		if (!n->sa[i].gone)
			ike_engine_gre_sa(n->g, s->now, &sa);
	}
	ike_engine_gre_up(n->g, s->now, SIM_WALL);
}

/* The SAs of queues that were there before do not go before a new SA of all,
 * on either side, as soon as that sends. */
static void
what_was_before_does_not_go_before(void **state)
{
	struct sim *s = up_with(380, 2, 2);
	struct ike_profile_set p = sim_profile("p");
	struct gre_sa_first first = { .peer = 1 };

	(void)state;
	one_each(s, 2);
	ike_anew(s, 0);
	sim_set(&s->n[0], &p);
	sim_connect(s, 0, 1);
	sim_run(s, 200);
	assert_int_equal(s->n[0].ups, 2);
	assert_int_equal(of_queue(&s->n[0], 1, false), 0);
	assert_int_equal(of_queue(&s->n[0], 2, false), 0);
	assert_int_equal(of_queue(&s->n[0], 0, false), 2);
	/* the other side still sends on what it has ... */
	assert_int_equal(of_queue(&s->n[1], 1, true), 1);
	/* ... until the first packet comes by the new one */
	first.spi_in = s->n[1].sa[s->n[1].n_sa - 1].spi_in;
	ike_engine_event(s->n[1].g, s->now, SIM_WALL, &gre_sa_first_type,
	    &first);
	assert_int_equal(of_queue(&s->n[1], 1, false), 0);
	assert_int_equal(of_queue(&s->n[1], 2, false), 0);
	sim_run(s, 60000);
	one_each(s, 2);
	sim_free(s);
}

/* The one of this queue that lives, as the engine sees it; or NULL. */
static struct ike_csa *
csa_of(const struct sim_node *n, unsigned queue)
{
	struct ike_isa *s;
	struct ike_csa *c;

	DL_FOREACH(n->g->isas, s)
		DL_FOREACH(s->children, c)
			if (c->queue == queue && c->installed && !c->deleting)
				return c;
	return NULL;
}

static void
one_that_the_peer_closes_comes_back_ever_later(void **state)
{
	struct sim *s = up_with(390, 2, 2);
	struct wire w = { 0 };
	struct ike_csa *c;
	size_t k;

	(void)state;
	s->filter = hash_all;
	s->filter_arg = &w;
	for (k = 0; k < 1800; k++) {
		if ((c = csa_of(&s->n[1], 1)) != NULL)
			ike_task_add(c->isa, IKE_DO_DELETE_CHILD, c->spi_in,
			    0);
		sim_run(s, 1000);
	}
	assert_in_range(w.creates, 8, 14);
	assert_int_equal(of_queue(&s->n[0], 0, true), 1);
	assert_int_equal(of_queue(&s->n[0], 2, true), 1);
	sim_run(s, 700000);
	one_each(s, 2);
	sim_free(s);
}

static void
many_peers_are_queues_enough(void **state)
{
	struct sim *s = sim_new(2, 395, NULL);
	struct ike_engine *g = s->n[1].g;

	(void)state;
	has_senders(&s->n[0], 2);
	has_senders(&s->n[1], 2);
	sim_profiles(s);
	g->n_isas += 300;		/* as if they were up */
	sim_connect(s, 0, 1);
	sim_run(s, 60000);
	assert_int_equal(sim_live(&s->n[1]), 1);
	g->n_isas -= 300;
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sender_gets_an_sa),
		cmocka_unit_test(who_answers_sends_when_its_answer_has_come),
		cmocka_unit_test(the_one_that_began_makes_as_many_as_it_has),
		cmocka_unit_test(with_one_sender_nothing_changes_on_the_wire),
		cmocka_unit_test(who_does_not_answer_is_not_asked),
		cmocka_unit_test(ts_max_queue_ends_the_tries),
		cmocka_unit_test(any_other_refusal_is_said_once_and_ends_them),
		cmocka_unit_test(not_now_means_later_each_time),
		cmocka_unit_test(queues_without_end_are_refused),
		cmocka_unit_test(one_unlike_the_first_is_refused),
		cmocka_unit_test(an_answer_unlike_the_first_is_closed_again),
		cmocka_unit_test(rekeys_keep_the_sender),
		cmocka_unit_test(a_rekeyed_ike_sa_goes_on_with_them),
		cmocka_unit_test(hours_of_rekeys_on_a_bad_line_keep_one_each),
		cmocka_unit_test(all_come_back_when_dmvpn_gre_begins_anew),
		cmocka_unit_test(all_come_when_dmvpn_gre_was_gone_for_a_while),
		cmocka_unit_test(all_come_when_dmvpn_gre_takes_them),
		cmocka_unit_test(a_single_one_that_is_lost_is_made_again),
		cmocka_unit_test(all_come_back_when_their_time_was_over),
		cmocka_unit_test(a_first_one_that_comes_late_is_not_made_twice),
		cmocka_unit_test(what_was_before_does_not_go_before),
		cmocka_unit_test(one_that_the_peer_closes_comes_back_ever_later),
		cmocka_unit_test(many_peers_are_queues_enough),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
