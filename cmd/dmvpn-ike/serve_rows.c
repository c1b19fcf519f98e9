#include <string.h>

#include "serve.h"

/* Answer 0 with {}, -1 with the reason. */
static void
finish(struct daemon *d, const struct call *c, int rc,
    const struct reason *why)
{
	if (rc < 0)
		call_fail(c, why);
	else
		call_ok(c);
	serve_turn(d);
}

static void
take_profile_set(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	struct reason why = { .code = "" };

	finish(d, c, ike_engine_profile_set(d->engine, loop_now(d->loop),
	    clock_wall(), in, &why), &why);
}

static void
take_profile_delete(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	struct reason why = { .code = "" };

	finish(d, c, ike_engine_profile_delete(d->engine, loop_now(d->loop),
	    clock_wall(), in, &why), &why);
}

static void
take_connection_set(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	struct reason why = { .code = "" };

	finish(d, c, ike_engine_connection_set(d->engine, loop_now(d->loop),
	    clock_wall(), in, &why), &why);
}

static void
take_connection_delete(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	struct reason why = { .code = "" };

	finish(d, c, ike_engine_connection_delete(d->engine,
	    loop_now(d->loop), clock_wall(), in, &why), &why);
}

static void
take_close(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	struct reason why = { .code = "" };

	finish(d, c, ike_engine_close(d->engine, loop_now(d->loop),
	    clock_wall(), in, &why), &why);
}

static void
take_rekey(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	struct reason why = { .code = "" };

	finish(d, c, ike_engine_rekey(d->engine, loop_now(d->loop),
	    clock_wall(), in, &why), &why);
}

/* ---- probes are answered later ---- */

static struct serve_probe *
probe_slot(struct daemon *d, uint64_t ticket)
{
	size_t i;

	for (i = 0; i < SERVE_PROBES_MAX; i++)
		if (ticket == 0 ? !d->probes[i].used : d->probes[i].used &&
		    d->probes[i].ticket == ticket)
			return &d->probes[i];
	return NULL;
}

static void
answer_probe(struct serve_probe *slot, const struct ike_probe_reply *r)
{
	slot->used = false;
	call_reply(&slot->call, &ike_probe_reply_type, r);
}

/* The engine goes on asking, longer than those who asked us wait. */
static void
give_up(void *arg)
{
	const struct ike_probe_reply no = { .alive = false };
	struct daemon *d = arg;
	uint64_t now = loop_now(d->loop), next = 0;
	struct err e;
	size_t i;

	for (i = 0; i < SERVE_PROBES_MAX; i++) {
		if (!d->probes[i].used)
			continue;
		if (d->probes[i].until <= now)
			answer_probe(&d->probes[i], &no);
		else if (next == 0 || d->probes[i].until < next)
			next = d->probes[i].until;
	}
	if (next != 0)
		(void)timer_at(d->loop, &d->give_up, next, give_up, d, &e);
}

static void
take_probe(void *arg, const struct call *c, const void *in)
{
	const struct ike_probe *p = in;
	struct daemon *d = arg;
	struct serve_probe *slot = probe_slot(d, 0);
	struct reason why = { .code = "" };
	struct err e;

	if (slot == NULL) {
		call_fail(c, reason_set(&why, "probe", "busy",
		    "%d probes wait already", SERVE_PROBES_MAX));
		return;
	}
	*slot = (struct serve_probe){ true, ++d->last_probe,
	    loop_now(d->loop) + SERVE_PROBE_LIMIT, *c };
	if (d->give_up.at == 0)
		(void)timer_at(d->loop, &d->give_up, slot->until, give_up, d,
		    &e);
	if (ike_engine_probe(d->engine, loop_now(d->loop), clock_wall(),
	    p->peer, slot->ticket, &why) < 0) {
		slot->used = false;
		call_fail(c, &why);
	}
	serve_turn(d);
}

void
serve_probed(void *arg, uint64_t ticket, const struct ike_probe_reply *r)
{
	struct daemon *d = arg;
	struct serve_probe *slot = probe_slot(d, ticket);

	if (slot != NULL)
		answer_probe(slot, r);
}

/* ---- failures, kept for "why" ---- */

static bool
same_try(const struct ike_failed *a, const struct ike_failed *b)
{
	return strcmp(a->profile, b->profile) == 0 &&
	    strcmp(a->connection, b->connection) == 0 &&
	    addr_equal(&a->remote.addr, &b->remote.addr) &&
	    a->role == b->role;
}

void
serve_remember(struct daemon *d, const struct ike_failed *f)
{
	struct ike_failed *slot = &d->failures[0], *each;
	uint64_t count = 1;
	size_t i;

	for (i = 0; i < SERVE_FAILURES_MAX; i++) {
		each = &d->failures[i];
		if (each->count > 0 && same_try(each, f)) {
			slot = each;
			count = each->count + 1;
			break;
		}
		if (each->at < slot->at)
			slot = each;
	}
	*slot = *f;
	slot->at = loop_now(d->loop);
	slot->count = count;
	d->failure_stamp++;
}

static void
page_failures(const struct daemon *d, const struct call *c, uint64_t after)
{
	struct ike_failures r = { .generation = d->failure_stamp };
	const size_t room = sizeof(r.items) / sizeof(r.items[0]);
	size_t i;

	for (i = after; i < SERVE_FAILURES_MAX; i++) {
		if (d->failures[i].count == 0)
			continue;
		if (r.n_items == room) {
			r.next = i;
			break;
		}
		r.items[r.n_items++] = d->failures[i];
	}
	call_reply(c, &ike_failures_type, &r);
}

/* ---- snapshots ---- */

static void
take_page(void *arg, const struct call *c, const void *in)
{
	const struct page *p = in;
	struct daemon *d = arg;
	struct reason why;

	if (strcmp(p->of, "ike-sas") == 0) {
		struct ike_sas r = { 0 };

		ike_engine_sas(d->engine, loop_now(d->loop), p->after, &r);
		call_reply(c, &ike_sas_type, &r);
	} else if (strcmp(p->of, "ike-peers") == 0) {
		struct ike_peers r = { 0 };

		ike_engine_peers(d->engine, p->after, &r);
		call_reply(c, &ike_peers_type, &r);
	} else if (strcmp(p->of, "ike-failures") == 0)
		page_failures(d, c, p->after);
	else
		call_fail(c, reason_set(&why, "page", "not-found",
		    "no snapshot \"%s\": ike-sas, ike-peers, ike-failures",
		    p->of));
}

static void
take_status(void *arg, const struct call *c, const void *in)
{
	const struct daemon *d = arg;
	struct ike_status_reply r = { .agent = d->agent_up,
	    .gre = d->gre_known, .port = d->conf.port };
	struct ike_count *row;
	struct name_buf b;
	unsigned i;

	(void)in;
	ike_engine_sizes(d->engine, &r.sas, &r.peers);
	for (i = 0; i < IKE_C_MAX; i++) {
		row = &r.counters[r.n_counters++];
		snprintf(row->name, sizeof(row->name), "%s",
		    name_text(ike_counter_names, i, &b));
		row->count = ike_engine_counter(d->engine, i);
	}
	call_reply(c, &ike_status_reply_type, &r);
}

static void
take_stop(void *arg, const struct call *c, const void *in)
{
	const struct stop *s = in;

	call_ok(c);
	serve_stop(arg, s->keep);
}

const struct serve_row serve_rows[] = {
	{ &ike_profile_set_type, take_profile_set, false },
	{ &ike_profile_delete_type, take_profile_delete, false },
	{ &ike_connection_set_type, take_connection_set, false },
	{ &ike_connection_delete_type, take_connection_delete, false },
	{ &ike_probe_type, take_probe, false },
	{ &ike_close_type, take_close, false },
	{ &ike_rekey_type, take_rekey, false },
	{ &ike_status_type, take_status, false },
	{ &page_type, take_page, false },
	{ &stop_type, take_stop, false },
};
const size_t serve_n_rows = sizeof(serve_rows) / sizeof(serve_rows[0]);
