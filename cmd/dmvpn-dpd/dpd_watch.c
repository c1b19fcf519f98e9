#include "dpd_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* uthash: out of memory is told by the element, not by exit(3). */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define REPEAT_VERDICT	3000	/* ms between verdicts nobody acted on */
#define POLL_GAP_MIN	20	/* ms */
#define POLL_LOST	15000	/* ms after which a poll is forgotten */

enum life { ALIVE, PROBED, DEAD };

struct peer {
	UT_hash_handle	 hh;
	uint16_t	 number;
	char		 profile[sizeof(((struct ike_up *)0)->profile)];
	char		 identity[sizeof(((struct ike_up *)0)->identity)];
	enum life	 life;
	uint64_t	 seen;		/* last sign of life */
	uint64_t	 due;		/* next look */
	uint32_t	 interval;
	uint8_t		 tries, tried;
	bool		 marked;	/* found by the running sync */
};

struct rule {
	char		 profile[sizeof(((struct ike_up *)0)->profile)];
	uint32_t	 interval;
	uint8_t		 tries;		/* 0: the row is free */
};

struct dpd_watch {
	const struct dpd_watch_ops	*ops;
	void				*arg;
	struct peer			*peers;
	struct rule			 rules[DPD_RULES_MAX];
	struct rule			 all;
	bool				 paused, polling;
	uint64_t			 poll_began;
	struct dpd_watch_counts		 counts;
};

struct dpd_watch *
dpd_watch_new(const struct dpd_watch_ops *ops, void *arg)
{
	struct dpd_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->ops = ops;
	w->arg = arg;
	w->all.interval = DPD_INTERVAL;
	w->all.tries = DPD_TRIES;
	return w;
}

static void
peer_drop(struct dpd_watch *w, struct peer *p)
{
	HASH_DEL(w->peers, p);
	free(p);
}

void
dpd_watch_free(struct dpd_watch *w)
{
	struct peer *p, *next;

	if (w == NULL)
		return;
	HASH_ITER(hh, w->peers, p, next)
		peer_drop(w, p);
	free(w);
}

static struct rule *
rule_find(struct dpd_watch *w, const char *profile)
{
	for (size_t i = 0; i < DPD_RULES_MAX; i++)
		if (w->rules[i].tries > 0 &&
		    strcmp(w->rules[i].profile, profile) == 0)
			return &w->rules[i];
	return NULL;
}

/* Up to an eighth earlier, so that many peers are not probed at once. */
static uint64_t
when_quiet(const struct dpd_watch *w, const struct peer *p)
{
	uint32_t spread = p->interval / 8;

	return p->seen + p->interval -
	    (spread > 0 ? w->ops->random(w->arg) % spread : 0);
}

static void
peer_alive(const struct dpd_watch *w, struct peer *p)
{
	p->life = ALIVE;
	p->tried = 0;
	p->due = when_quiet(w, p);
}

static void
peer_rule(struct dpd_watch *w, struct peer *p)
{
	const struct rule *r = rule_find(w, p->profile);

	if (r == NULL)
		r = &w->all;
	p->interval = r->interval;
	p->tries = r->tries;
}

static int
rule_store(struct dpd_watch *w, const char *profile, uint32_t interval,
    uint8_t tries, struct err *e)
{
	struct rule *r = rule_find(w, profile);

	for (size_t i = 0; r == NULL && tries > 0 && i < DPD_RULES_MAX; i++)
		if (w->rules[i].tries == 0)
			r = &w->rules[i];
	if (r == NULL && tries == 0)
		return 0;
	if (r == NULL)
		return err_set(e, ENOSPC, "rules for %d profiles, no room",
		    DPD_RULES_MAX);
	snprintf(r->profile, sizeof(r->profile), "%s", profile);
	r->interval = interval;
	r->tries = tries;
	return 0;
}

int
dpd_watch_rule(struct dpd_watch *w, const char *profile, uint32_t interval,
    uint8_t tries, uint64_t now, struct err *e)
{
	struct peer *p, *next;

	if (profile[0] == '\0') {
		w->all.interval = tries > 0 ? interval : DPD_INTERVAL;
		w->all.tries = tries > 0 ? tries : DPD_TRIES;
	} else if (rule_store(w, profile, interval, tries, e) < 0)
		return -1;
	HASH_ITER(hh, w->peers, p, next) {
		peer_rule(w, p);
		if (p->life == ALIVE)
			p->due = p->seen + p->interval > now ?
			    when_quiet(w, p) : now;
	}
	return 0;
}

static struct peer *
peer_find(const struct dpd_watch *w, uint16_t number)
{
	struct peer *p = NULL;

	HASH_FIND(hh, w->peers, &number, sizeof(number), p);
	return p;
}

static struct peer *
peer_new(struct dpd_watch *w, uint16_t number, struct err *e)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_null(err_set(e, ENOMEM, "no memory for a peer"));
	p->number = number;
	HASH_ADD(hh, w->peers, number, sizeof(p->number), p);
	if (p->hh.tbl == NULL) {	/* uthash had no memory */
		free(p);
		return err_null(err_set(e, ENOMEM, "no memory for a peer"));
	}
	return p;
}

int
dpd_watch_up(struct dpd_watch *w, uint16_t peer, const char *profile,
    const char *identity, uint64_t now, struct err *e)
{
	struct peer *p = peer_find(w, peer);

	if (p == NULL && (p = peer_new(w, peer, e)) == NULL)
		return -1;
	snprintf(p->profile, sizeof(p->profile), "%s", profile);
	snprintf(p->identity, sizeof(p->identity), "%s", identity);
	p->marked = true;
	p->seen = now;
	peer_rule(w, p);
	peer_alive(w, p);
	return 0;
}

void
dpd_watch_down(struct dpd_watch *w, uint16_t peer)
{
	struct peer *p = peer_find(w, peer);

	if (p != NULL)
		peer_drop(w, p);
}

void
dpd_watch_seen(struct dpd_watch *w, uint16_t peer, uint64_t at, uint64_t now)
{
	struct peer *p = peer_find(w, peer);

	if (p == NULL || at <= p->seen)
		return;
	p->seen = at > now ? now : at;
	if (p->life != DEAD && p->seen + p->interval > now)
		peer_alive(w, p);
}

/* The next probe, or the verdict after the last. */
static void
peer_try(struct dpd_watch *w, struct peer *p, uint64_t now)
{
	uint32_t spacing = p->interval / 4;

	p->life = PROBED;
	p->tried++;
	p->due = now + (spacing > POLL_GAP_MIN ? spacing : POLL_GAP_MIN);
	w->counts.probes++;
	w->ops->probe(w->arg, p->number);
}

static void
peer_dead(struct dpd_watch *w, struct peer *p, uint64_t now)
{
	struct dpd_dead d = { .peer = p->number, .tries = p->tried };
	bool again = p->life == DEAD;

	memcpy(d.identity, p->identity, sizeof(d.identity));
	d.quiet = now > p->seen ? now - p->seen : 0;
	if (!again)
		w->counts.deaths++;
	p->life = DEAD;
	p->due = now + REPEAT_VERDICT;
	w->ops->dead(w->arg, &d, again);
}

/* The counters are as fresh as they can be. */
static void
peer_judge(struct dpd_watch *w, struct peer *p, uint64_t now)
{
	switch (p->life) {
	case ALIVE:
		peer_try(w, p, now);
		break;
	case PROBED:
		if (p->tried >= p->tries)
			peer_dead(w, p, now);
		break;
	case DEAD:
		break;
	}
}

void
dpd_watch_polled(struct dpd_watch *w, uint64_t now)
{
	struct peer *p, *next;

	if (!w->polling)
		return;
	w->polling = false;
	if (w->paused)
		return;
	/* Only who was due before the counters were read. */
	HASH_ITER(hh, w->peers, p, next)
		if (p->due <= w->poll_began)
			peer_judge(w, p, now);
}

void
dpd_watch_poll_failed(struct dpd_watch *w, uint64_t now)
{
	(void)now;
	w->polling = false;
}

void
dpd_watch_pause(struct dpd_watch *w)
{
	w->paused = true;
	w->polling = false;
}

void
dpd_watch_resume(struct dpd_watch *w, uint64_t now)
{
	struct peer *p, *next;

	w->paused = false;
	HASH_ITER(hh, w->peers, p, next) {
		p->seen = now;
		if (p->life != DEAD)
			peer_alive(w, p);
	}
}

void
dpd_watch_sync_begin(struct dpd_watch *w)
{
	struct peer *p, *next;

	HASH_ITER(hh, w->peers, p, next)
		p->marked = false;
}

void
dpd_watch_sync_end(struct dpd_watch *w)
{
	struct peer *p, *next;

	HASH_ITER(hh, w->peers, p, next)
		if (!p->marked)
			peer_drop(w, p);
}

/* A shorter one for short intervals, a longer one for many peers, whose
 * snapshot has many pages. */
static uint64_t
poll_gap(const struct dpd_watch *w, uint32_t shortest)
{
	uint64_t gap = HASH_COUNT(w->peers) / 16;
	uint64_t least = shortest / 8, most = shortest / 3;

	if (gap < least)
		gap = least;
	if (gap > most)
		gap = most;
	return gap > POLL_GAP_MIN ? gap : POLL_GAP_MIN;
}

static bool
needs_poll(struct dpd_watch *w, struct peer *p, uint64_t now)
{
	if (p->life == PROBED && p->tried < p->tries) {
		peer_try(w, p, now);
		return false;
	}
	if (p->life == DEAD) {
		peer_dead(w, p, now);
		return false;
	}
	return true;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a == 0 || b < a ? b : a;
}

uint64_t
dpd_watch_turn(struct dpd_watch *w, uint64_t now)
{
	struct peer *p, *next;
	uint64_t wake = 0, poll_at;
	uint32_t shortest = UINT32_MAX;
	bool want = false;

	if (w->paused)
		return 0;
	HASH_ITER(hh, w->peers, p, next) {
		if (p->interval < shortest)
			shortest = p->interval;
		if (p->due <= now && needs_poll(w, p, now))
			want = true;
		else
			wake = earlier(wake, p->due);
	}
	if (w->polling && now - w->poll_began > POLL_LOST)
		w->polling = false;
	if (!want)
		return wake;
	poll_at = w->poll_began + poll_gap(w, shortest);
	if (w->polling)
		return earlier(wake, now + POLL_LOST);
	if (now < poll_at)
		return earlier(wake, poll_at);
	w->polling = true;
	w->poll_began = now;
	w->ops->poll(w->arg);
	return earlier(wake, now + POLL_LOST);
}

struct dpd_watch_counts
dpd_watch_counts(const struct dpd_watch *w)
{
	struct dpd_watch_counts c = w->counts;

	c.peers = HASH_COUNT(w->peers);
	return c;
}
