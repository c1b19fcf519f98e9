#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/syscall.h>
#include <time.h>

#include "sys/below.h"
#include "sys_help.h"

/* A daemon's side towards the programs below: a server of ours plays them. */

static struct {
	struct loop	*loop;
	struct server	*server;
	struct link	*link;
	struct below	 below;
	char		*dir;
	char		 path[108];
	bool		 calling;	/* in below_call: no answer may come */
	unsigned	 answers, refusals, pages, items, ends;
	uint64_t	 last_ticket, last_value, fail_at, silent_at;
	time_t		 later;		/* s that the clocks are ahead */
	struct reason	 why;
} d;

/* In place of libc's, so that ten seconds pass at once. */
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ts);

	ts->tv_sec += d.later;
	return rc;
}

/* Peers 1..70, 32 a page; owner "none" has none. */
static void
on_page(void *arg, const struct call *c, const void *in)
{
	const struct page *p = in;
	static struct gre_peers m;
	struct reason r;

	(void)arg;
	if (d.fail_at != 0 && p->after >= d.fail_at) {
		call_fail(c, reason_set(&r, "page", "busy", "not now"));
		return;
	}
	if (d.silent_at != 0 && p->after >= d.silent_at) {
		d.silent_at = 0;
		d.later += 11;
		return;
	}
	help_peers(p, strcmp(p->owner, "none") == 0 ? 0 : 70, &m);
	call_reply(c, &gre_peers_type, &m);
}

static const struct serve_row rows[] = {
	{ &ike_probe_type, help_probe, false },
	{ &ike_rekey_type, help_silent, false },
	{ &page_type, on_page, false },
};

static void
answer(void *arg, uint64_t ticket, const void *m, const struct reason *why)
{
	const struct ike_probe_reply *r = m;

	assert_ptr_equal(arg, &d);
	assert_false(d.calling);
	d.last_ticket = ticket;
	if (why != NULL) {
		d.refusals++;
		d.why = *why;
		return;
	}
	d.answers++;
	d.last_value = r->rtt;
}

static void
take(void *arg, const void *page)
{
	assert_ptr_equal(arg, &d);
	d.pages++;
	d.items += (unsigned)((const struct gre_peers *)page)->n_items;
}

static void
done(void *arg, const struct reason *why)
{
	assert_ptr_equal(arg, &d);
	d.ends++;
	if (why != NULL)
		d.why = *why;
}

static void
walk(const char *owner)
{
	const struct below_pages p = { &gre_peers_type, owner, &d, take,
	    done };

	below_pages(&d.below, d.link, &p);
}

static void
ask(uint64_t ticket, uint16_t peer)
{
	struct ike_probe m = { .peer = peer };

	d.calling = true;
	below_call(&d.below, d.link, "dmvpn-test", ticket, &ike_probe_type,
	    &m, &ike_probe_reply_type);
	d.calling = false;
}

static bool
is_up(void *arg)
{
	(void)arg;
	return link_is_up(d.link);
}

static int
setup(void **state)
{
	struct server_conf conf = { .program = "dmvpn-test", .path = d.path,
	    .rows = rows, .n_rows = 3, .group = (gid_t)-1 };
	struct link_conf to = { .path = d.path, .fd = -1 };

	(void)state;
	memset(&d, 0, sizeof(d));
	d.dir = temp_dir();
	snprintf(d.path, sizeof(d.path), "%s/x.sock", d.dir);
	d.loop = loop_new(NULL);
	d.below = (struct below){ .loop = d.loop, .answer = answer,
	    .arg = &d };
	d.server = server_new(d.loop, &conf, NULL);
	assert_non_null(d.server);
	d.link = link_new(d.loop, &to, NULL);
	assert_true(spin(d.loop, is_up, NULL, 15000));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	link_free(d.link);
	below_fini(&d.below);
	server_free(d.server);
	loop_free(d.loop);
	remove_dir(d.dir);
	return 0;
}

static bool
two_said(void *arg)
{
	(void)arg;
	return d.answers + d.refusals >= 2;
}

static bool
one_said(void *arg)
{
	(void)arg;
	return d.answers + d.refusals + d.ends >= 1;
}

static void
an_answer_finds_its_ticket(void **state)
{
	(void)state;
	ask(7, 70);
	ask(8, 80);
	assert_true(spin(d.loop, two_said, NULL, 15000));
	assert_int_equal(d.answers, 2);
	assert_int_equal(d.last_ticket, 8);
	assert_int_equal(d.last_value, 80);
}

static void
a_refusal_comes_from_the_loop_and_names_the_program(void **state)
{
	struct link *k = d.link;

	(void)state;
	d.link = NULL;
	ask(9, 1);
	ask(10, 1);
	d.link = k;
	assert_int_equal(d.refusals, 0);
	assert_true(spin(d.loop, two_said, NULL, 15000));
	assert_int_equal(d.refusals, 2);
	assert_int_equal(d.last_ticket, 10);
	assert_string_equal(d.why.code, "unreachable");
	assert_string_equal(d.why.stage, "ike-probe");
	assert_string_equal(d.why.text, "dmvpn-test is not reachable");
}

static void
a_call_that_nobody_waits_for_has_no_answer(void **state)
{
	(void)state;
	ask(0, 5);
	assert_false(spin(d.loop, one_said, NULL, 100));
}

static void
the_pages_of_a_snapshot_come_in_order_then_the_end(void **state)
{
	(void)state;
	walk(NULL);
	assert_true(spin(d.loop, one_said, NULL, 15000));
	assert_int_equal(d.pages, 3);
	assert_int_equal(d.items, 70);
	assert_int_equal(d.ends, 1);
	assert_string_equal(d.why.code, "");
}

static void
a_snapshot_of_an_owner_is_asked_for(void **state)
{
	(void)state;
	walk("none");
	assert_true(spin(d.loop, one_said, NULL, 15000));
	assert_int_equal(d.pages, 1);
	assert_int_equal(d.items, 0);
}

static void
a_snapshot_that_breaks_off_ends_with_the_reason(void **state)
{
	(void)state;
	d.fail_at = 32;
	walk(NULL);
	assert_true(spin(d.loop, one_said, NULL, 15000));
	assert_int_equal(d.pages, 1);
	assert_int_equal(d.ends, 1);
	assert_string_equal(d.why.code, "busy");
}

static void
a_page_that_is_late_is_asked_for_again(void **state)
{
	(void)state;
	d.silent_at = 32;
	walk(NULL);
	assert_true(spin(d.loop, one_said, NULL, 60000));
	assert_int_equal(d.pages, 3);
	assert_int_equal(d.items, 70);
	assert_string_equal(d.why.code, "");
}

static void
what_is_owed_at_the_end_is_freed_and_not_answered(void **state)
{
	struct ike_rekey m = { .peer = 1 };
	struct link *k = d.link;

	(void)state;
	below_call(&d.below, k, "dmvpn-test", 3, &ike_rekey_type, &m, NULL);
	walk(NULL);
	d.link = NULL;
	ask(4, 1);
	d.link = k;
	link_free(d.link);
	d.link = NULL;
	below_fini(&d.below);
	assert_false(spin(d.loop, one_said, NULL, 100));
}

static void
an_event_is_decoded_by_its_name(void **state)
{
	uint8_t b[64];
	struct wbuf w = wbuf_of(b, sizeof(b));
	const struct gre_acquire in = { .peer = 9 };
	struct msg m = { .class = MSG_EVENT, .name = "gre-acquire" };
	const struct msg_type *t;
	struct gre_acquire *out;

	(void)state;
	assert_int_equal(msg_put(&w, &gre_acquire_type, &in, NULL), 0);
	m.body = wbuf_rbuf(&w);
	out = below_event(&m, &t);
	assert_non_null(out);
	assert_ptr_equal(t, &gre_acquire_type);
	assert_int_equal(out->peer, 9);
	free(out);
	m.body = rbuf_of("\xa0", 1);
	assert_null(below_event(&m, &t));
	snprintf(m.name, sizeof(m.name), "of-tomorrow");
	assert_null(below_event(&m, &t));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_finds_its_ticket),
		TEST(a_refusal_comes_from_the_loop_and_names_the_program),
		TEST(a_call_that_nobody_waits_for_has_no_answer),
		TEST(the_pages_of_a_snapshot_come_in_order_then_the_end),
		TEST(a_snapshot_of_an_owner_is_asked_for),
		TEST(a_snapshot_that_breaks_off_ends_with_the_reason),
		TEST(a_page_that_is_late_is_asked_for_again),
		TEST(what_is_owed_at_the_end_is_freed_and_not_answered),
		TEST(an_event_is_decoded_by_its_name),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
