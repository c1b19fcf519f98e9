#include <errno.h>
#include <string.h>

#include "serve.h"

static void
finish(struct daemon *d, const struct call *c, const char *stage, int rc,
    const struct err *e)
{
	if (rc == 0)
		call_ok(c);
	else
		call_err(c, stage, e->code == ENOENT ? "not-found" :
		    e->code == EINVAL ? "invalid" : "failed", e);
	serve_turn(d);
}

static void
take_set(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	struct err e = { 0 };

	finish(d, c, "interface", nhrp_engine_set(d->engine,
	    loop_now(d->loop), in, &e), &e);
}

static void
take_delete(void *arg, const struct call *c, const void *in)
{
	const struct nhrp_interface_delete *m = in;
	struct daemon *d = arg;
	struct err e = { 0 };

	finish(d, c, "interface", nhrp_engine_delete(d->engine,
	    loop_now(d->loop), m->interface, &e), &e);
}

static void
take_purge(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	struct err e = { 0 };

	finish(d, c, "purge", nhrp_engine_purge(d->engine,
	    loop_now(d->loop), in, &e), &e);
}

/* Those that waited for long hear that it goes on. */
static void
late(void *arg)
{
	struct daemon *d = arg;
	uint64_t now = loop_now(d->loop);
	bool more = false;
	struct reason why;
	struct err e;
	size_t i;

	for (i = 0; i < SERVE_RESOLVES_MAX; i++) {
		struct serve_resolve *r = &d->resolves[i];

		if (r->used && r->until <= now) {
			r->used = false;
			call_fail(&r->call, reason_set(&why, "resolution",
			    "busy", "it is still under way"));
		}
		more |= r->used;
	}
	if (more)
		(void)timer_at(d->loop, &d->late, now + 500, late, d, &e);
}

/* Answered when the resolution ended: serve_resolved. */
static void
take_resolve(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	struct err e = { 0 };
	size_t i;

	for (i = 0; i < SERVE_RESOLVES_MAX && d->resolves[i].used; i++)
		;
	if (i == SERVE_RESOLVES_MAX) {
		err_set(&e, EBUSY, "%d resolutions are waited for already",
		    SERVE_RESOLVES_MAX);
		call_err(c, "resolution", "busy", &e);
		return;
	}
	d->resolves[i].used = true;
	d->resolves[i].call = *c;
	d->resolves[i].until = loop_now(d->loop) + SERVE_RESOLVE_WAIT;
	if (d->late.at == 0)
		(void)timer_at(d->loop, &d->late, loop_now(d->loop) + 500,
		    late, d, &e);
	d->resolves[i].ticket = ++d->rounds * SERVE_RESOLVES_MAX + i + 1;
	if (nhrp_engine_resolve(d->engine, loop_now(d->loop), in,
	    d->resolves[i].ticket, &e) < 0) {
		d->resolves[i].used = false;
		finish(d, c, "resolution", -1, &e);
	}
	serve_turn(d);
}

void
serve_resolved(void *arg, uint64_t ticket, const struct nhrp_entry *entry,
    const struct reason *why)
{
	struct daemon *d = arg;
	struct nhrp_resolve_reply r = { .entry = *entry };

	struct serve_resolve *slot = &d->resolves[(ticket - 1) %
	    SERVE_RESOLVES_MAX];

	if (!slot->used || slot->ticket != ticket)
		return;
	slot->used = false;
	if (why != NULL)
		call_fail(&slot->call, why);
	else
		call_reply(&slot->call, &nhrp_resolve_reply_type, &r);
}

static void
take_status(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	struct nhrp_status_reply r;

	(void)in;
	nhrp_engine_status(d->engine, loop_now(d->loop), &r);
	call_reply(c, &nhrp_status_reply_type, &r);
}

static void
take_why(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	struct nhrp_why_reply r;

	nhrp_engine_why(d->engine, loop_now(d->loop), in, &r);
	call_reply(c, &nhrp_why_reply_type, &r);
}

static void
take_page(void *arg, const struct call *c, const void *in)
{
	const struct page *p = in;
	struct daemon *d = arg;
	struct nhrp_cache r;
	struct reason why;

	if (strcmp(p->of, "nhrp-cache") != 0) {
		call_fail(c, reason_set(&why, "page", "not-found",
		    "no snapshot \"%s\": nhrp-cache", p->of));
		return;
	}
	nhrp_engine_cache(d->engine, loop_now(d->loop), p, &r);
	call_reply(c, &nhrp_cache_type, &r);
}

static void
take_stop(void *arg, const struct call *c, const void *in)
{
	const struct stop *s = in;

	call_ok(c);
	serve_stop(arg, s->keep);
}

const struct serve_row serve_rows[] = {
	{ &nhrp_interface_set_type, take_set, false },
	{ &nhrp_interface_delete_type, take_delete, false },
	{ &nhrp_resolve_type, take_resolve, false },
	{ &nhrp_purge_type, take_purge, false },
	{ &nhrp_status_type, take_status, false },
	{ &nhrp_why_type, take_why, false },
	{ &page_type, take_page, false },
	{ &stop_type, take_stop, false },
};
const size_t serve_n_rows = sizeof(serve_rows) / sizeof(serve_rows[0]);
