#ifndef IKE_SIM_OPS_H
#define IKE_SIM_OPS_H

/* The ops of a simulated node; part of ike_sim.h, which has its types. */

static inline int
sim_random(void *arg, void *to, size_t len)
{
	struct sim_node *n = arg;
	uint8_t *b = to;
	uint64_t v = 0;
	size_t i;

	if (n->stuck > 0 && (len == 4 || len == 8)) {
		n->stuck--;
		memset(to, 0x5a, len);
		return 0;
	}
	for (i = 0; i < len; i++) {
		if (i % 8 == 0 && (!n->same_random || i == 0))
			v = sim_draw(&n->random);
		b[i] = (uint8_t)(v >> (8 * (i % 8)));
	}
	return 0;
}

static inline int
sim_local_for(void *arg, const struct addr *remote, struct addr *local)
{
	struct sim_node *n = arg;

	(void)remote;
	*local = n->addr;
	return 0;
}

static inline void
sim_put(struct sim *s, struct sim_packet *p, uint64_t delay)
{
	assert_true(s->n_wire < SIM_WIRE);
	p->at = s->now + delay;
	p->serial = s->serial++;
	s->wire[s->n_wire++] = *p;
}

static inline struct sim_packet
sim_copy(const struct sim_packet *p)
{
	struct sim_packet c = *p;

	c.b = malloc(p->len);
	assert_non_null(c.b);
	memcpy(c.b, p->b, p->len);
	return c;
}

static inline int
sim_owner(struct sim *s, const struct endpoint *to)
{
	int i;

	if (s->nat >= 0 && addr_equal(&to->addr, &s->nat_seen.addr))
		return s->nat;
	for (i = 0; i < s->nodes; i++)
		if (addr_equal(&s->n[i].addr, &to->addr))
			return i;
	return -1;
}

static inline void
sim_send(void *arg, const struct endpoint *local,
    const struct endpoint *remote, const void *data, size_t len)
{
	struct sim_node *n = arg;
	struct sim *s = n->sim;
	struct sim_packet p = { .from = n->index, .src = *local,
	    .dst = *remote, .len = len }, c;
	struct rbuf in = rbuf_of(data, len);
	enum sim_fate fate = SIM_PASS;
	uint64_t delay = 5;

	n->sent++;
	n->sent_bytes += len;
	assert_int_equal(ike_header_parse(&in, &p.h, NULL), 0);
	if (n->unsent != 0) {
		ike_engine_unsent(n->g, n->unsent);
		return;
	}
	p.to = sim_owner(s, remote);
	if (s->nat == n->index) {
		p.src.addr = s->nat_seen.addr;
		p.src.port = (uint16_t)(s->nat_seen.port + local->port);
	}
	if (p.to == s->nat && s->nat >= 0) {
		p.dst.addr = s->n[s->nat].addr;
		p.dst.port = (uint16_t)(remote->port - s->nat_seen.port);
	}
	if (p.to < 0)
		return;
	p.b = malloc(len);
	assert_non_null(p.b);
	memcpy(p.b, data, len);
	if (s->filter != NULL)
		fate = s->filter(s, &p);
	s->count++;
	if (fate == SIM_PASS && sim_draw(&s->seed) % 100 < s->loss)
		fate = SIM_DROP;
	if (fate == SIM_PASS && sim_draw(&s->seed) % 100 < s->twice)
		fate = SIM_TWICE;
	if (sim_draw(&s->seed) % 100 < s->late)
		delay += sim_draw(&s->seed) % 400;
	if (fate == SIM_DROP && getenv("SIM_TRACE") != NULL)
		fprintf(stderr, "%7llu %d->%d lost: %u %u\n",
		    (unsigned long long)s->now, p.from, p.to, p.h.exchange,
		    p.h.id);
	switch (fate) {
	case SIM_DROP:
		free(p.b);
		return;
	case SIM_HOLD:
		assert_true(s->n_held < 64);
		s->held[s->n_held++] = p;
		return;
	case SIM_TWICE:
		c = sim_copy(&p);
		sim_put(s, &c, delay + 40);
		break;
	case SIM_PASS:
		break;
	}
	sim_put(s, &p, delay);
}

static inline struct sim_sa *
sim_sa_find(struct sim_node *n, uint32_t spi_in)
{
	size_t i;

	for (i = 0; i < n->n_sa; i++)
		if (n->sa[i].spi_in == spi_in)
			return &n->sa[i];
	return NULL;
}

/* Was dmvpn-gre told that the SA would come, before the peer could answer? */
static inline bool
sim_expected(const struct sim_node *n, const struct sim_sa *sa)
{
	size_t i;

	for (i = 0; i < SIM_EXPECTED; i++)
		if (n->expected[i] == sa->spi_in)
			return true;
	return false;
}

static inline void
sim_sa_add(struct sim_node *n, const struct gre_sa_add *m)
{
	struct sim_sa *a, *old;
	struct rbuf in = m->key_in, out = m->key_out;

	if (getenv("SIM_TRACE") != NULL)
		fprintf(stderr, "%7s %d SA %x/%x for %x q%u\n", "", n->index,
		    m->spi_in, m->spi_out, m->replaces, m->queue);

	if (sim_sa_find(n, m->spi_in) != NULL)
		n->duplicates++;
	assert_true(n->n_sa < SIM_SAS);
	a = &n->sa[n->n_sa++];
	*a = (struct sim_sa){ .spi_in = m->spi_in, .spi_out = m->spi_out,
	    .peer = m->peer, .key_len = rbuf_left(&m->key_in),
	    .standby = m->standby, .esn = m->esn, .mode = m->mode,
	    .queue = m->queue };
	rbuf_copy(&in, a->key_in, a->key_len);
	rbuf_copy(&out, a->key_out, a->key_len);
	a->n_local = m->n_local_ts;
	a->n_remote = m->n_remote_ts;
	memcpy(a->local, m->local_ts, sizeof(a->local));
	memcpy(a->remote, m->remote_ts, sizeof(a->remote));
	old = m->replaces != 0 ? sim_sa_find(n, m->replaces) : NULL;
	if (old != NULL)
		n->rekeyed++;
}

static inline void
sim_answer_psk(struct sim_node *n, const struct pki_psk *m,
    struct sim_answer *a)
{
	a->method = IKE_AUTH_PSK;
	a->len = prf_len(m->prf);
	a->fail = n->psk == NULL;
	if (!a->fail)
		assert_int_equal(prf_psk_auth(m->prf, rbuf_of(n->psk,
		    strlen(n->psk)), m->message, m->nonce, m->mac, a->data,
		    NULL), 0);
	/* a responder checks first, then signs */
	if (n->mirror && n->psk_asked % 2 == 1)
		memcpy(a->data, n->got_auth, a->len);
	else
		memcpy(n->got_auth, a->data, a->len);
	n->psk_asked++;
}

static inline void
sim_answer_sign(struct sim_node *n, const struct pki_sign *m,
    struct sim_answer *a)
{
	struct sign_parts parts = { .n = 3,
	    .v = { m->message, m->nonce, m->mac } };
	struct wbuf w = wbuf_of(a->data, sizeof(a->data));
	struct err e;

	a->fail = n->key == NULL || sign_make(n->key, m->hashes, m->n_hashes,
	    false, &parts, &a->method, &w, &e) < 0;
	a->len = w.len;
	if (n->lie && a->len > 0)
		a->data[a->len - 1] ^= 1;
}

static inline void
sim_call(void *arg, uint64_t ticket, const struct msg_type *t, const void *m)
{
	struct sim_node *n = arg;
	struct sim_answer *a;
	struct sim_sa *sa;

	n->calls++;
	if (t == &gre_sa_add_type && !n->refuse_sa)
		sim_sa_add(n, m);
	if (t == &gre_sa_delete_type) {
		sa = sim_sa_find(n, ((const struct gre_sa_delete *)m)->spi_in);
		if (sa != NULL) {
			sa->gone = true;
			sa->grace = ((const struct gre_sa_delete *)m)->grace;
		}
		if (sa != NULL && getenv("SIM_TRACE") != NULL)
			fprintf(stderr, "%7s %d SA %x gone\n", "", n->index,
			    sa->spi_in);
	}
	if (t == &gre_spi_expect_type)
		n->expected[n->n_expected++ % SIM_EXPECTED] =
		    ((const struct gre_spi_expect *)m)->spi_in;
	if (t == &gre_sa_use_type) {
		sa = sim_sa_find(n, ((const struct gre_sa_use *)m)->spi_in);
		assert_non_null(sa);
		sa->standby = false;
	}
	if (t == &gre_peer_set_type) {
		n->peers_set++;
		n->last_peer = ((const struct gre_peer_set *)m)->peer;
		n->last_remote = ((const struct gre_peer_set *)m)->remote;
		n->last_set = *(const struct gre_peer_set *)m;
	}
	if (t == &gre_peer_delete_type)
		n->peers_gone++;
	if (ticket == 0)
		return;
	assert_true(n->n_answer < 64);
	a = &n->answer[n->n_answer++];
	memset(a, 0, sizeof(*a));
	a->ticket = ticket;
	a->type = t;
	if (t == &pki_psk_type)
		sim_answer_psk(n, m, a);
	else if (t == &pki_sign_type)
		sim_answer_sign(n, m, a);
	else if (t == &gre_sa_add_type)
		a->fail = n->refuse_sa;
	else if (t == &pki_identity_type)
		snprintf(a->identity, sizeof(a->identity), "%s",
		    ((const struct pki_identity *)m)->identity);
}

/* What a message says, for SIM_TRACE. */
static inline void
sim_trace(struct sim_node *n, const struct ike_packet *p)
{
	struct rbuf in = p->clear;
	struct ike_walk w;
	struct ike_payload pl;
	struct ike_notify no;
	struct name_buf nb;

	if (rbuf_left(&in) == 0)
		return;
	w = ike_walk_of(rbuf_u8(&in), in);
	w.in = in;
	fprintf(stderr, "%7s %d %s:", "", n->index, p->direction ==
	    DIRECTION_IN ? "in" : "out");
	while (ike_walk_next(&w, &pl, NULL) == 1) {
		fprintf(stderr, " %s", name_text(ike_payload_names, pl.type,
		    &nb));
		if (pl.type == IKE_P_NOTIFY && ike_notify_parse(pl.body, &no,
		    NULL) == 0)
			fprintf(stderr, "(%s)", name_text(ike_notify_names,
			    no.type, &nb));
	}
	fprintf(stderr, "%s%s\n", p->drop[0] ? " dropped: " : "", p->drop);
}

static inline void
sim_event(void *arg, const struct msg_type *t, const void *m)
{
	struct sim_node *n = arg;

	if (t == &ike_up_type) {
		n->ups++;
		n->up = *(const struct ike_up *)m;
	} else if (t == &ike_down_type) {
		n->downs++;
		n->down = *(const struct ike_down *)m;
	} else if (t == &ike_failed_type) {
		n->fails++;
		n->failed = *(const struct ike_failed *)m;
	} else if (t == &ike_child_up_type)
		n->children++;
	else if (t == &ike_heard_type)
		n->heard++;
	if (getenv("SIM_TRACE") != NULL && t == &ike_packet_type)
		sim_trace(n, m);
	else if (getenv("SIM_TRACE") != NULL) {
		char text[600] = "";

		if (t == &ike_failed_type)
			reason_text(&n->failed.reason, text, sizeof(text));
		if (t == &ike_down_type)
			reason_text(&n->down.reason, text, sizeof(text));
		fprintf(stderr, "%7llu %d %s %s\n",
		    (unsigned long long)n->sim->now, n->index, t->name, text);
	}
}

static inline bool
sim_wanted(void *arg, const struct msg_type *t)
{
	(void)arg;
	return t == &ike_packet_type || t == &ike_keys_type ||
	    t == &ike_heard_type || t == &ike_child_up_type;
}

static inline void
sim_probed(void *arg, uint64_t ticket, const struct ike_probe_reply *r)
{
	struct sim_node *n = arg;

	(void)ticket;
	n->probes++;
	n->alive += r->alive;
}

static inline void
sim_note(void *arg, bool warn, const char *id, const char *peer,
    const char *why)
{
	struct sim_node *n = arg;

	(void)warn;
	n->notes++;
	if (getenv("SIM_TRACE") != NULL)
		fprintf(stderr, "%7llu %d note %s %s %s\n",
		    (unsigned long long)n->sim->now, n->index, id, peer, why);
}

#endif
