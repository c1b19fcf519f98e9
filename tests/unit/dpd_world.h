#ifndef DPD_WORLD_H
#define DPD_WORLD_H

/* The choice of headends in a world with one clock, for tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "dmvpn-dpd/dpd_choice.h"
#include "msg/msg.h"

/* What the engine wanted, as one text: "connect a 192.0.2.1:500;..." */
struct world {
	struct dpd_choice	*c;
	uint64_t		 now;
	char			 log[4096];
	uint64_t		 ticket;
	char			 chosen[192], why[192];
	unsigned		 choices;
	uint32_t		 dice;		/* what comes by chance */
};

static inline void say(struct world *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static inline void
say(struct world *o, const char *fmt, ...)
{
	size_t n = strlen(o->log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(o->log + n, sizeof(o->log) - n, fmt, ap);
	va_end(ap);
}

static inline void
on_resolve(void *arg, uint64_t ticket, const char *host, uint16_t port,
    bool service)
{
	struct world *o = (struct world *)arg;

	o->ticket = ticket;
	say(o, "resolve %s %u%s;", host, port, service ? " srv" : "");
}

static inline void
on_connect(void *arg, const struct ike_connection_set *s)
{
	struct addr_buf ab;

	assert_string_equal(s->owner, "dpd");
	say((struct world *)arg, "connect %s %s %s;", s->connection,
	    s->profile, endpoint_text(&s->remote, &ab));
}

static inline void
on_disconnect(void *arg, const char *connection)
{
	say((struct world *)arg, "disconnect %s;", connection);
}

static inline void
on_chosen(void *arg, const struct dpd_chosen *d)
{
	struct world *o = (struct world *)arg;

	o->choices++;
	snprintf(o->chosen, sizeof(o->chosen), "%s", d->name);
	snprintf(o->why, sizeof(o->why), "%s", d->why);
	say(o, "chosen %s;", d->name);
}

static inline uint32_t
on_random(void *arg)
{
	return ((struct world *)arg)->dice;
}

static const struct dpd_choice_ops ops = {
	.resolve = on_resolve,
	.connect = on_connect,
	.disconnect = on_disconnect,
	.chosen = on_chosen,
	.random = on_random,
};

static inline int
setup(void **state)
{
	struct world *o = (struct world *)calloc(1, sizeof(*o));

	o->now = 5000000;
	o->c = dpd_choice_new(&ops, o);
	dpd_choice_start(o->c, o->now);
	*state = o;
	return 0;
}

static inline int
teardown(void **state)
{
	struct world *o = (struct world *)*state;

	dpd_choice_free(o->c);
	free(o);
	return 0;
}

/* Let time pass, at the steps the engine wants; forget what was said. */
static inline void
pass(struct world *o, uint64_t ms)
{
	uint64_t until = o->now + ms, wake;

	o->log[0] = '\0';
	for (;;) {
		wake = dpd_choice_turn(o->c, o->now);
		assert_true(wake == 0 || wake > o->now);
		if (wake == 0 || wake > until)
			break;
		o->now = wake;
	}
	o->now = until;
}

static inline void
set(struct world *o, enum dpd_policy policy, const char *standby,
    const char *a, const char *b)
{
	struct dpd_headends_set s;
	struct err e;

	memset(&s, 0, sizeof(s));
	snprintf(s.owner, sizeof(s.owner), "test");
	snprintf(s.tunnel, sizeof(s.tunnel), "t0");
	snprintf(s.profile, sizeof(s.profile), "p");
	snprintf(s.standby_profile, sizeof(s.standby_profile), "%s", standby);
	s.policy = policy;
	snprintf(s.headends[0].name, 192, "%s", a);
	snprintf(s.headends[0].connection, 64, "a");
	s.n_headends = 1;
	if (b != NULL) {
		snprintf(s.headends[1].name, 192, "%s", b);
		snprintf(s.headends[1].connection, 64, "b");
		s.n_headends = 2;
	}
	assert_int_equal(dpd_choice_set(o->c, &s, &e), 0);
}

static inline void
up(struct world *o, const char *connection, const char *profile,
    uint16_t peer)
{
	struct ike_up m = { .peer = peer };

	o->log[0] = '\0';
	snprintf(m.connection, sizeof(m.connection), "%s", connection);
	snprintf(m.profile, sizeof(m.profile), "%s", profile);
	assert_int_equal(endpoint_parse("192.0.2.77", 500, &m.remote, NULL),
	    0);
	dpd_choice_up(o->c, &m, o->now);
}

static inline void
down(struct world *o, const char *connection, uint16_t peer)
{
	struct ike_down m = { .peer = peer };

	o->log[0] = '\0';
	snprintf(m.connection, sizeof(m.connection), "%s", connection);
	reason_set(&m.reason, "liveness", "dead", "no sign of life");
	dpd_choice_down(o->c, &m, o->now);
}

static inline void
failed(struct world *o, const char *connection, const char *remote)
{
	struct ike_failed m = { .role = IKE_ROLE_INITIATOR };

	o->log[0] = '\0';
	snprintf(m.connection, sizeof(m.connection), "%s", connection);
	assert_int_equal(endpoint_parse(remote, 500, &m.remote, NULL), 0);
	reason_set(&m.reason, "ike-auth", "untrusted", "not of our CA");
	dpd_choice_failed(o->c, &m, o->now);
}

static inline struct dpd_headend_status
status(struct world *o, size_t i)
{
	struct dpd_headend_status s;

	assert_true(dpd_choice_status(o->c, i, &s));
	return s;
}

static inline void
resolved(struct world *o, const char *a, const char *b, uint32_t ttl)
{
	struct endpoint p[2];

	o->log[0] = '\0';
	assert_int_equal(endpoint_parse(a, 500, &p[0], NULL), 0);
	if (b != NULL)
		assert_int_equal(endpoint_parse(b, 500, &p[1], NULL), 0);
	dpd_choice_resolved(o->c, o->ticket, p, b != NULL ? 2 : 1, ttl,
	    o->now);
}

#endif
