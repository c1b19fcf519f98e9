#include "sys/below.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "sys/log.h"

#define PAGE_TRIES 6		/* unanswered, of one page */

/* An answer to come, or a refusal. */
struct below_wait {
	struct below_wait	*prev, *next;
	struct below		*below;
	uint64_t		 ticket;
	struct reason		 why;		/* refused */
};

struct below_walk {
	struct below_walk	*prev, *next;
	struct below		*below;
	struct link		*link;
	struct below_pages	 pages;
	struct page		 from;
	unsigned		 tries;
};

/* ---- calls ---- */

static void
refuse_turn(void *arg)
{
	struct below *b = (struct below *)arg;
	struct below_wait *all = b->refused, *w, *next;

	b->refused = NULL;	/* new ones may be made meanwhile */
	DL_FOREACH_SAFE(all, w, next) {
		b->answer(b->arg, w->ticket, NULL, &w->why);
		free(w);
	}
}

/* Takes w, which may be NULL. */
static void
refuse(struct below_wait *w, const char *stage, const char *why)
{
	struct below *b;

	if (w == NULL)
		return;
	b = w->below;
	reason_set(&w->why, stage, "unreachable", "%s", why);
	DL_APPEND(b->refused, w);
	timer_set(b->loop, &b->timer, loop_now(b->loop), refuse_turn, b);
}

static void
answered(void *arg, const void *m, const struct reason *why)
{
	struct below_wait *w = (struct below_wait *)arg;
	struct below *b = w->below;

	DL_DELETE(b->sent, w);
	b->answer(b->arg, w->ticket, m, why);
	free(w);
}

void
below_call(struct below *b, struct link *k, const char *program,
    uint64_t ticket, const struct msg_type *t, const void *m,
    const struct msg_type *reply)
{
	struct below_wait *w = NULL;
	struct err e = { 0 };

	if (ticket != 0) {
		/* Without memory: the engine has a time limit of its own. */
		w = (struct below_wait *)calloc(1, sizeof(*w));
		if (w == NULL)
			return;
		w->below = b;
		w->ticket = ticket;
	}
	if (k == NULL || !link_is_up(k)) {
		err_set(&e, 0, "%s is not reachable", program);
		refuse(w, t->name, e.msg);
		return;
	}
	if (link_call(k, t, m, w == NULL ? NULL : reply,
	    w == NULL ? NULL : answered, w, &e) < 0) {
		log_event(LEVEL_WARN, "call-failed", T("call", t->name),
		    T("why", e.msg));
		refuse(w, t->name, e.msg);
	} else if (w != NULL)
		DL_APPEND(b->sent, w);
}

/* ---- events ---- */

void *
below_event(const struct msg *m, const struct msg_type **t)
{
	struct err e = { 0 };
	void *body;

	*t = msg_type_find(m->name);
	if (*t == NULL || (body = calloc(1, (*t)->size)) == NULL)
		return NULL;
	if (msg_get_checked(m->body, *t, body, &e) == 0)
		return body;
	log_event(LEVEL_WARN, "bad-event", T("event", m->name),
	    T("why", e.msg));
	free(body);
	return NULL;
}

/* ---- snapshots ---- */

static void walk_on(struct below_walk *w);

static void
walk_end(struct below_walk *w, const struct reason *why)
{
	const struct below_pages p = w->pages;

	DL_DELETE(w->below->walks, w);
	free(w);
	p.done(p.arg, why);
}

static void
got_page(void *arg, const void *m, const struct reason *why)
{
	struct below_walk *w = (struct below_walk *)arg;
	struct { uint64_t generation, next; } head;

	if (m == NULL && why != NULL && strcmp(why->code, "timeout") == 0 &&
	    link_is_up(w->link) && ++w->tries < PAGE_TRIES) {
		walk_on(w);		/* busy: ten seconds went by */
		return;
	}
	if (m == NULL) {
		walk_end(w, why);
		return;
	}
	w->tries = 0;
	memcpy(&head, m, sizeof(head));
	w->pages.take(w->pages.arg, m);
	w->from.after = head.next;
	if (head.next != 0)
		walk_on(w);
	else
		walk_end(w, NULL);
}

static void
walk_on(struct below_walk *w)
{
	struct reason why;
	struct err e;

	if (link_call(w->link, &page_type, &w->from, w->pages.reply, got_page,
	    w, &e) < 0)
		walk_end(w, reason_set(&why, w->from.of, "unreachable", "%s",
		    e.msg));
}

void
below_pages(struct below *b, struct link *k, const struct below_pages *p)
{
	struct below_walk *w = (struct below_walk *)calloc(1, sizeof(*w));
	struct reason why;

	if (w == NULL) {
		p->done(p->arg, reason_set(&why, p->reply->name, "system",
		    "out of memory"));
		return;
	}
	w->below = b;
	w->link = k;
	w->pages = *p;
	snprintf(w->from.of, sizeof(w->from.of), "%s", p->reply->name);
	snprintf(w->from.owner, sizeof(w->from.owner), "%s",
	    p->owner != NULL ? p->owner : "");
	DL_APPEND(b->walks, w);
	walk_on(w);
}

void
below_fini(struct below *b)
{
	struct below_wait *w, *next;
	struct below_walk *k, *after;

	timer_stop(&b->timer);
	DL_FOREACH_SAFE(b->refused, w, next)
		free(w);
	DL_FOREACH_SAFE(b->sent, w, next)
		free(w);
	DL_FOREACH_SAFE(b->walks, k, after)
		free(k);
	b->refused = b->sent = NULL;
	b->walks = NULL;
}
