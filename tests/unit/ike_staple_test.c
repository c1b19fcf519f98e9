/* OCSP responses inside IKE (RFC 4806). */
#include "ike_certs.h"

#include "dmvpn-pki/pki_ocsp.h"

static struct pki_ocsp_row book;

static int
look(void *arg, const char *serial, struct pki_ocsp_row *out, struct err *e)
{
	(void)arg;
	(void)serial;
	(void)e;
	*out = book;
	return 0;
}

/* A node's agent gets a response about its certificate. */
static void
staple(struct sim_node *n, const struct test_ca *ca, uint8_t *room,
    int64_t now)
{
	struct pki_ca signer = { .cert = ca->cert, .key = ca->key };
	struct pki_ocsp o = { .cas = &signer, .n_cas = 1, .now = now,
		.valid = 3600, .look = look };
	struct cert *leaf = cert_parse(n->chain[0], NULL);
	struct cert *issuer = cert_parse(n->anchors[0], NULL);
	uint8_t ask[OCSP_REQUEST_MAX];
	struct wbuf w = wbuf_of(ask, sizeof(ask));
	struct wbuf reply = wbuf_of(room, OCSP_MAX);

	assert_int_equal(ocsp_request(leaf, issuer, rbuf_of(NULL, 0), &w,
	    NULL), 0);
	assert_int_equal(pki_ocsp_answer(&o, wbuf_rbuf(&w), &reply, NULL,
	    NULL), 0);
	n->staple = wbuf_rbuf(&reply);
	cert_free(leaf);
	cert_free(issuer);
}

struct scene {
	struct test_ca	 ca;
	struct sim	*s;
	uint8_t		 room[2][OCSP_MAX];
};

static void
begin(struct scene *t)
{
	memset(t, 0, sizeof(*t));
	memset(&book, 0, sizeof(book));
	book.known = true;
	t->ca = test_ca_new("root");
	t->s = sim_new(2, 7, NULL);
	test_enrol(&t->s->n[0], &t->ca, "P-256", "DNS:a.example.org", NULL,
	    -60, 86400);
	test_enrol(&t->s->n[1], &t->ca, "P-256", "DNS:b.example.org", NULL,
	    -60, 86400);
}

static void
go(struct scene *t, enum ike_ocsp a, enum ike_ocsp b)
{
	struct ike_profile_set p = sim_profile("p");

	p.ocsp = a;
	sim_set(&t->s->n[0], &p);
	p.ocsp = b;
	sim_set(&t->s->n[1], &p);
	sim_connect(t->s, 0, 1);
	sim_run(t->s, 3000);
}

static void
end(struct scene *t)
{
	test_leave(&t->s->n[0]);
	test_leave(&t->s->n[1]);
	sim_free(t->s);
	test_ca_free(&t->ca);
}

static void
both_sides_show_that_they_are_good(void **state)
{
	static struct scene t;

	(void)state;
	begin(&t);
	staple(&t.s->n[0], &t.ca, t.room[0], SIM_WALL);
	staple(&t.s->n[1], &t.ca, t.room[1], SIM_WALL);
	go(&t, IKE_OCSP_NEED, IKE_OCSP_NEED);
	assert_int_equal(t.s->n[0].ups, 1);
	assert_int_equal(t.s->n[1].ups, 1);
	sim_one_sa(t.s);
	end(&t);
}

static void
who_needs_a_response_and_gets_none_refuses_with_the_reason(void **state)
{
	static struct scene t;

	(void)state;
	begin(&t);
	go(&t, IKE_OCSP_OFF, IKE_OCSP_NEED);
	assert_int_equal(t.s->n[1].ups, 0);
	assert_string_equal(t.s->n[1].failed.reason.code,
	    "revocation-unknown");
	assert_non_null(strstr(t.s->n[1].failed.reason.text, "OCSP"));
	end(&t);
	begin(&t);
	go(&t, IKE_OCSP_NEED, IKE_OCSP_OFF);
	assert_int_equal(t.s->n[0].ups, 0);
	assert_string_equal(t.s->n[0].failed.reason.code,
	    "revocation-unknown");
	end(&t);
}

static void
who_only_asks_does_without(void **state)
{
	static struct scene t;

	(void)state;
	begin(&t);
	go(&t, IKE_OCSP_ASK, IKE_OCSP_ASK);
	assert_int_equal(t.s->n[0].ups, 1);
	end(&t);
	begin(&t);		/* of yesterday: as if there were none */
	staple(&t.s->n[0], &t.ca, t.room[0], SIM_WALL - 86400);
	go(&t, IKE_OCSP_OFF, IKE_OCSP_ASK);
	assert_int_equal(t.s->n[1].ups, 1);
	end(&t);
}

static void
a_response_that_says_revoked_refuses_its_owner(void **state)
{
	static struct scene t;

	(void)state;
	begin(&t);
	book.revoked = SIM_WALL - 5;
	staple(&t.s->n[0], &t.ca, t.room[0], SIM_WALL);
	go(&t, IKE_OCSP_OFF, IKE_OCSP_ASK);
	assert_int_equal(t.s->n[1].ups, 0);
	assert_string_equal(t.s->n[1].failed.reason.code, "revoked");
	end(&t);
}

static void
a_response_about_somebody_else_does_not_help(void **state)
{
	static struct scene t;

	(void)state;
	begin(&t);
	staple(&t.s->n[1], &t.ca, t.room[1], SIM_WALL);
	t.s->n[0].staple = t.s->n[1].staple;
	go(&t, IKE_OCSP_OFF, IKE_OCSP_NEED);
	assert_int_equal(t.s->n[1].ups, 0);
	assert_string_equal(t.s->n[1].failed.reason.code,
	    "revocation-unknown");
	end(&t);
}

/* Octets that node 1 got when its profile was such. */
static size_t
octets(enum ike_ocsp wanted)
{
	static struct scene t;
	size_t n;

	begin(&t);
	staple(&t.s->n[0], &t.ca, t.room[0], SIM_WALL);
	go(&t, IKE_OCSP_OFF, wanted);
	assert_int_equal(t.s->n[1].ups, 1);
	n = t.s->n[1].got_bytes;
	end(&t);
	return n;
}

static void
nobody_who_did_not_ask_gets_one(void **state)
{
	size_t off = octets(IKE_OCSP_OFF), ask = octets(IKE_OCSP_ASK);

	(void)state;
	assert_true(ask > off + 150);
}

/* IKE-29 */
static void
ike_29_a_profile_may_insist_on_lists_and_ocsp_stands_for_them(void **state)
{
	static struct scene t;
	int with;

	(void)state;
	for (with = 0; with < 2; with++) {
		struct ike_profile_set p = sim_profile("p");

		begin(&t);
		if (with)
			staple(&t.s->n[0], &t.ca, t.room[0], SIM_WALL);
		sim_set(&t.s->n[0], &p);
		p.need_crl = true;
		p.ocsp = IKE_OCSP_ASK;
		sim_set(&t.s->n[1], &p);
		sim_connect(t.s, 0, 1);
		sim_run(t.s, 3000);
		assert_int_equal(t.s->n[1].ups, with);
		if (!with)
			assert_string_equal(t.s->n[1].failed.reason.code,
			    "revocation-unknown");
		end(&t);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_show_that_they_are_good),
		cmocka_unit_test(
		    who_needs_a_response_and_gets_none_refuses_with_the_reason),
		cmocka_unit_test(who_only_asks_does_without),
		cmocka_unit_test(
		    a_response_that_says_revoked_refuses_its_owner),
		cmocka_unit_test(
		    a_response_about_somebody_else_does_not_help),
		cmocka_unit_test(
		    ike_29_a_profile_may_insist_on_lists_and_ocsp_stands_for_them),
		cmocka_unit_test(nobody_who_did_not_ask_gets_one),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
