#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "spoke_load_certs.h"
#include "spoke_load_esp.h"
#include "sys/command.h"
#include "sys/priv.h"

/*
 * Thousands of spokes in one process, against a hub of any kind: each makes
 * an IKE SA with a CHILD_SA by our IKE engine and registers by NHRP, from an
 * address of its own.  --base is a network that is local here, as by
 *
 *	ip route add local 10.64.0.0/16 dev lo
 *
 * A record a phase: how many came up, how long each took, what failed.
 */
#define OWNER		"load"
#define PROFILE		"load"
#define HUB		"hub"
#define BATCHES		8	/* of datagrams between two looks at time */

struct load load;
static volatile sig_atomic_t told_to_stop;

/* ---- what an engine calls ---- */

static int
op_random(void *arg, void *to, size_t len)
{
	(void)arg;
	return random_bytes(to, len, NULL);
}

static int
op_local_for(void *arg, const struct addr *remote, struct addr *local)
{
	const struct spoke *s = arg;

	(void)remote;
	*local = load_addr(&load.conf.base, FIRST + s->index);
	return 0;
}

static void
op_send(void *arg, const struct endpoint *local,
    const struct endpoint *remote, const void *data, size_t len)
{
	bool nat = local->port == 4500;

	(void)arg;
	wire_send(&local->addr, remote, nat, nat, data, len);
}

static void
answer_psk(const struct pki_psk *m, struct load_answer *a)
{
	a->method = IKE_AUTH_PSK;
	a->len = prf_len(m->prf);
	a->fail = prf_psk_auth(m->prf, rbuf_of(load.conf.psk,
	    strlen(load.conf.psk)), m->message, m->nonce, m->mac, a->data,
	    NULL) < 0;
}

static void
answer_sign(const struct pki_sign *m, struct load_answer *a)
{
	struct sign_parts parts = { .n = 3,
	    .v = { m->message, m->nonce, m->mac } };
	struct wbuf w = wbuf_of(a->data, sizeof(a->data));

	a->fail = load.key == NULL || sign_make(load.key, m->hashes,
	    m->n_hashes, false, &parts, &a->method, &w, NULL) < 0;
	a->len = w.len;
}

/* The old IKE SA of a rekey is gone: all of it is done. */
static void
rekeyed(struct spoke *s)
{
	if (!s->rekeying)
		return;
	s->rekeying = false;
	s->up_at = load_ns();
	load.up++;
}

/* As our client does: the hub may hear of the packet before it hears of the
 * SA that carried it. */
static uint64_t
ask_delay(void)
{
	uint8_t r = 0;

	random_bytes(&r, sizeof(r), NULL);
	return r % NHRP_SPREAD;
}

static void
take_call(struct spoke *s, const struct msg_type *t, const void *m)
{
	const struct load_sa *before = load.conf.nhrp ? esp_newest(s) : NULL;
	struct load_sa *a;

	if (t == &gre_sa_add_type)
		esp_add(s, m);
	else if (t == &gre_sa_delete_type) {
		a = esp_find(s, ((const struct gre_sa_delete *)m)->spi_in);
		if (a != NULL)
			a->standby = true;	/* others go first */
		if (a != NULL && load.conf.rekey != NULL &&
		    strcmp(load.conf.rekey, "child") == 0)
			rekeyed(s);
	} else if (t == &gre_sa_use_type) {
		a = esp_find(s, ((const struct gre_sa_use *)m)->spi_in);
		if (a != NULL)
			a->standby = false;
	} else if (t == &gre_ike_spi_delete_type && load.conf.rekey != NULL &&
	    strcmp(load.conf.rekey, "ike") == 0)
		rekeyed(s);
	if (before != NULL && esp_newest(s) != before && s->peer != 0)
		s->ask_at = load.now + ask_delay();	/* use the new one */
}

static void
op_call(void *arg, uint64_t ticket, const struct msg_type *t, const void *m)
{
	const size_t most = sizeof(load.answer) / sizeof(load.answer[0]);
	struct load_answer *a;

	take_call(arg, t, m);
	if (ticket == 0)
		return;
	if (load.n_answers == most)
		load_die("too many questions of one engine");
	a = &load.answer[load.n_answers++];
	a->ticket = ticket;
	a->type = t;
	a->fail = false;
	a->len = 0;
	if (t == &pki_psk_type)
		answer_psk(m, a);
	else if (t == &pki_sign_type)
		answer_sign(m, a);
}

static void
op_up(struct spoke *s, const struct ike_up *m)
{
	s->peer = m->peer;
	load.ups++;
	if (s->up_at == 0 && !s->rekeying) {
		s->up_at = load_ns();
		load.up++;
	}
	if (load.conf.nhrp) {
		s->request++;
		s->ask_at = load.now + ask_delay();
	}
}

static void
op_failed(const struct spoke *s, const struct ike_failed *m)
{
	char text[1024];

	load.failed++;
	load_count(m->reason.code);
	if (load.conf.verbose)
		fprintf(stderr, "%s: %s\n", s->id, reason_text(&m->reason,
		    text, sizeof(text)));
}

static void
op_event(void *arg, const struct msg_type *t, const void *m)
{
	struct spoke *s = arg;
	const struct ike_down *down = m;

	if (t == &ike_up_type)
		op_up(s, m);
	else if (t == &ike_failed_type)
		op_failed(s, m);
	else if (t == &ike_down_type && down->peer == s->peer) {
		s->peer = 0;
		load.downs++;
	}
}

static bool
op_wanted(void *arg, const struct msg_type *t)
{
	(void)arg;
	(void)t;
	return false;
}

static void
op_probed(void *arg, uint64_t ticket, const struct ike_probe_reply *r)
{
	(void)arg;
	(void)ticket;
	(void)r;
}

static void
op_note(void *arg, bool warn, const char *id, const char *peer,
    const char *why)
{
	const struct spoke *s = arg;

	if (warn && load.conf.verbose)
		fprintf(stderr, "%s: %s %s %s\n", s->id, id, peer, why);
}

/* ---- one spoke ---- */

static void
give_answer(struct spoke *s, const struct load_answer *a)
{
	struct pki_identity_reply id = { .method = load.key != NULL ?
	    PKI_METHOD_CERTIFICATE : PKI_METHOD_PSK, .id_type = IKE_ID_FQDN,
	    .id_data = rbuf_of(s->id, strlen(s->id)), .chain = { s->cert },
	    .anchors = { load.anchor } };
	struct pki_sign_reply sig = { .method = a->method,
	    .auth = rbuf_of(a->data, a->len) };
	struct reason why;
	const void *m = NULL;

	if (load.key != NULL)
		id.n_chain = id.n_anchors = 1;
	if (a->type == &pki_identity_type)
		m = &id;
	else if (a->type == &pki_sign_type || a->type == &pki_psk_type)
		m = &sig;
	reason_set(&why, "load", "refused", "the agent refused");
	ike_engine_answer(s->g, load.now, clock_wall(), a->ticket,
	    a->fail ? NULL : m, a->fail ? &why : NULL);
}

/* After each call into its engine. */
static void
spoke_turn(struct spoke *s)
{
	struct load_answer a;
	uint64_t at;

	while (load.n_answers > 0) {
		a = load.answer[0];
		load.n_answers--;
		memmove(&load.answer[0], &load.answer[1],
		    load.n_answers * sizeof(a));
		give_answer(s, &a);
	}
	if (s->ask_at != 0 && s->ask_at <= load.now) {
		esp_register(s);
		s->ask_at = load.now + NHRP_AGAIN;
	}
	at = ike_engine_next(s->g);
	if (at == 0 || (s->ask_at != 0 && s->ask_at < at))
		at = s->ask_at;
	load.due[s->index] = at == 0 ? UINT64_MAX : at;
}

static void
spoke_profile(struct spoke *s)
{
	struct ike_profile_set p = { .mode = SA_MODE_TRANSPORT,
	    .accept = true };
	struct addr own, hub;
	struct reason why;

	snprintf(p.owner, sizeof(p.owner), OWNER);
	snprintf(p.profile, sizeof(p.profile), PROFILE);
	snprintf(p.interface, sizeof(p.interface), "load0");
	snprintf(p.identity, sizeof(p.identity), "me");
	if (load.conf.tunnel_mode) {
		own = load_addr(&load.conf.tunnel, FIRST + s->index);
		hub = load_addr(&load.conf.tunnel, 1);
		p.mode = SA_MODE_TUNNEL;
		p.n_local_ts = p.n_remote_ts = 1;
		p.local_ts[0] = prefix_host(&own);
		p.remote_ts[0] = prefix_host(&hub);
	}
	if (load.conf.proposal != NULL) {
		p.n_proposals = 1;
		snprintf(p.proposals[0], sizeof(p.proposals[0]), "%s",
		    load.conf.proposal);
	}
	if (ike_engine_profile_set(s->g, load.now, clock_wall(), &p,
	    &why) < 0)
		load_die(why.text);
	spoke_turn(s);
}

static void
spoke_start(struct spoke *s)
{
	const struct ike_ops ops = { .arg = s, .random = op_random,
	    .local_for = op_local_for, .send = op_send, .call = op_call,
	    .event = op_event, .wanted = op_wanted, .probed = op_probed,
	    .note = op_note };
	struct ike_connection_set c = { .remote = load.conf.hub };
	struct reason why;
	struct err e;

	s->began = load_ns();
	s->g = ike_engine_new(&ops, NULL, load.now, &e);
	if (s->g == NULL)
		load_die(e.msg);
	ike_engine_gre_up(s->g, load.now, clock_wall());
	spoke_profile(s);
	snprintf(c.owner, sizeof(c.owner), OWNER);
	snprintf(c.connection, sizeof(c.connection), HUB);
	snprintf(c.profile, sizeof(c.profile), PROFILE);
	if (ike_engine_connection_set(s->g, load.now, clock_wall(), &c,
	    &why) < 0)
		load_die(why.text);
	ike_engine_wake(s->g, load.now, clock_wall());
	spoke_turn(s);
}

/* As if its machine lost power: nobody is told. */
static void
spoke_forget(struct spoke *s)
{
	size_t i;

	for (i = 0; i < SPOKE_SAS; i++)
		esp_drop(&s->sa[i]);
	ike_engine_free(s->g);
	s->g = NULL;
	s->peer = 0;
	s->began = s->up_at = s->registered_at = s->ask_at = 0;
	s->rekeying = false;
	load.due[s->index] = UINT64_MAX;
}

static void
spoke_rekey(struct spoke *s)
{
	struct ike_rekey m = { .peer = s->peer,
	    .child = strcmp(load.conf.rekey, "child") == 0 };
	struct reason why;

	s->began = load_ns();
	s->up_at = 0;
	s->rekeying = true;
	if (ike_engine_rekey(s->g, load.now, clock_wall(), &m, &why) < 0) {
		load.failed++;
		load_count(why.code);
	}
	spoke_turn(s);
}

static void
take_packet(struct spoke *s, unsigned which, const struct endpoint *from,
    uint8_t *p, size_t len)
{
	struct endpoint local = { load_addr(&load.conf.base, FIRST +
	    s->index), which == 0 ? 500 : 4500 };
	struct rbuf in = rbuf_of(p, len);
	struct gre_sa_first m;
	struct load_sa *a;

	if (which == 0 || rbuf_be32(&in) == 0) {
		in = which == 0 ? rbuf_of(p, len) : in;
		ike_engine_packet(s->g, load.now, clock_wall(), &local, from,
		    in.p, rbuf_left(&in));
	} else if ((a = esp_take(s, p, len)) != NULL) {
		m = (struct gre_sa_first){ a->spi_in, s->peer };
		ike_engine_event(s->g, load.now, clock_wall(),
		    &gre_sa_first_type, &m);
	}
	spoke_turn(s);
}

/* ---- all of them ---- */

static unsigned
finished(bool rekey)
{
	return load.conf.nhrp && !rekey ? load.registered : load.up;
}

/* As many as window and rate allow. */
static void
start_some(bool rekey, uint64_t begun)
{
	uint64_t rate = load.conf.rate, ms = load.now - begun;

	while (load.started < load.conf.spokes &&
	    load.started - finished(rekey) < load.conf.window &&
	    (rate == 0 || load.started <= ms * rate / 1000))
		if (rekey)
			spoke_rekey(&load.spokes[load.started++]);
		else
			spoke_start(&load.spokes[load.started++]);
}

static void
wake_due(void)
{
	unsigned i;

	for (i = 0; i < load.started; i++)
		if (load.due[i] <= load.now) {
			ike_engine_wake(load.spokes[i].g, load.now,
			    clock_wall());
			spoke_turn(&load.spokes[i]);
		}
}

static void
turn(int wait)
{
	struct pollfd pfd[2] = { { load.fd[0], POLLIN, 0 },
	    { load.fd[1], POLLIN, 0 } };
	unsigned which, k;

	wire_flush(0);
	wire_flush(1);
	poll(pfd, 2, wait);
	load.now = clock_ms();
	for (which = 0; which < 2; which++)
		for (k = 0; k < BATCHES && wire_receive(which,
		    take_packet); k++)
			;
	wake_due();
}

static double
cpu_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* ---- records ---- */

static int
by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
say_times(const char *name, bool registered)
{
	double *v = calloc(load.conf.spokes, sizeof(*v));
	size_t i, n = 0;

	for (i = 0; v != NULL && i < load.conf.spokes; i++) {
		const struct spoke *s = &load.spokes[i];
		uint64_t at = registered ? s->registered_at : s->up_at;

		if (at >= s->began && at != 0)	/* not of a phase before */
			v[n++] = (double)(at - s->began) / 1e6;
	}
	if (n > 0) {
		qsort(v, n, sizeof(*v), by_size);
		printf(load.conf.json ? ",\"%s\":{\"p50\":%.1f,\"p90\":%.1f,"
		    "\"p99\":%.1f,\"max\":%.1f}" : "  %s, ms: p50 %.1f  p90 "
		    "%.1f  p99 %.1f  max %.1f\n", name, v[n / 2],
		    v[n * 9 / 10], v[n * 99 / 100], v[n - 1]);
	}
	free(v);
}

static void
say_failures(void)
{
	bool json = load.conf.json;
	size_t i;

	printf("%s", json ? ",\"failures\":{" : "");
	for (i = 0; i < REASONS && load.why[i].n > 0; i++)
		printf(json ? "%s\"%s\":%u" : "%s  failed %s: %u\n",
		    json && i > 0 ? "," : "", load.why[i].code,
		    load.why[i].n);
	printf("%s", json ? "}}\n" : "");
}

static void
say(const char *what, double seconds, double cpu)
{
	unsigned n = strcmp(what, "connect") == 0 ? finished(false) : load.up;

	printf(load.conf.json ? "{\"phase\":\"%s\",\"spokes\":%u,\"up\":%u,"
	    "\"registered\":%u,\"seconds\":%.3f,\"rate\":%.0f,\"cpu\":%.2f,"
	    "\"ups\":%u,\"downs\":%u,\"failed\":%u" :
	    "%s: %u spokes, %u up, %u registered in %.2f s: %.0f a second, "
	    "%.2f s of CPU here; up %u times, down %u, failed %u\n", what,
	    (unsigned)load.conf.spokes, load.up, load.registered, seconds,
	    n / seconds, cpu, load.ups, load.downs, load.failed);
	say_times(load.conf.json ? "up_ms" : "up", false);
	say_times(load.conf.json ? "registered_ms" : "registered", true);
	say_failures();
	fflush(stdout);
}

/* ---- phases ---- */

/* true: all came up in time. */
static bool
phase(const char *what, bool rekey)
{
	uint64_t begun, from = load_ns();
	double cpu = cpu_seconds();

	load.now = begun = clock_ms();
	load.started = load.up = 0;
	while (finished(rekey) < load.conf.spokes && !told_to_stop &&
	    load.now < begun + load.conf.limit * 1000) {
		start_some(rekey, begun);
		turn(load.started < load.conf.spokes ? 1 : 5);
	}
	say(what, (double)(load_ns() - from) / 1e9, cpu_seconds() - cpu);
	return finished(rekey) == load.conf.spokes;
}

static void
stay(void)
{
	uint64_t until = clock_ms() + load.conf.stay * 1000;
	double cpu = cpu_seconds();
	unsigned i;

	if (load.conf.stay == 0)
		return;
	while (load.now < until && !told_to_stop)
		turn(10);
	for (i = load.up = 0; i < load.conf.spokes; i++)
		load.up += load.spokes[i].peer != 0;
	say("stay", (double)load.conf.stay, cpu_seconds() - cpu);
}

static bool
rounds(void)
{
	uint64_t k, i;
	bool good = true;

	for (k = 0; k < load.conf.rounds && good && !told_to_stop; k++) {
		for (i = 0; k > 0 && i < load.conf.spokes; i++)
			spoke_forget(&load.spokes[i]);
		load.registered = 0;
		good = phase("connect", false);
	}
	if (good && load.conf.rekey != NULL && !told_to_stop) {
		for (i = 0; i < load.conf.spokes; i++)
			load.spokes[i].up_at = 0;
		good = phase(load.conf.rekey, true);
	}
	stay();
	return good;
}

/* ---- beginning ---- */

static void
on_signal(int signo)
{
	(void)signo;
	told_to_stop = 1;
}

static void
prepare(void)
{
	unsigned i;

	load.spokes = calloc(load.conf.spokes, sizeof(*load.spokes));
	load.due = calloc(load.conf.spokes, sizeof(*load.due));
	if (load.spokes == NULL || load.due == NULL)
		load_die("out of memory");
	for (i = 0; i < load.conf.spokes; i++) {
		load.spokes[i].index = i;
		snprintf(load.spokes[i].id, sizeof(load.spokes[i].id),
		    "s%u.load.example", i);
		load.due[i] = UINT64_MAX;
	}
	load.fd[0] = wire_open(500);
	load.fd[1] = wire_open(4500);
	if (strcmp(load.conf.kind, "psk") == 0)
		return;
	certs_make();
	(void)getchar();	/* the hub has read them */
}

int
main(int argc, char **argv)
{
	struct load_conf *c = &load.conf;
	const struct opt opts[] = {
		{ 'n', "spokes", "N", "how many", OPT_NUM, &c->spokes, 1,
		  SPOKES_MAX },
		{ 'a', "auth", "KIND", "psk, ecdsa or rsa", OPT_TEXT,
		  &c->kind, 0, 0 },
		{ 0, "psk", "TEXT", "the PSK of all", OPT_TEXT, &c->psk, 0,
		  0 },
		{ 0, "certs", "DIR", "ca.pem and hub.pem are written there, "
		  "then a line of input is awaited", OPT_TEXT, &c->certs, 0,
		  0 },
		{ 0, "base", "ADDRESS", "network of the spokes", OPT_ADDR,
		  &c->base, 0, 0 },
		{ 0, "tunnel", "ADDRESS", "network inside; the hub is its "
		  "first", OPT_ADDR, &c->tunnel, 0, 0 },
		{ 0, "proposal", "IKE", "of IKE SAs", OPT_TEXT, &c->proposal,
		  0, 0 },
		{ 'k', "key", "N", "GRE key", OPT_NUM, &c->key, 0,
		  UINT32_MAX },
		{ 'r', "nhrp", NULL, "register by NHRP", OPT_FLAG, &c->nhrp,
		  0, 0 },
		{ 0, "tunnel-mode", NULL, "ESP in tunnel mode, without GRE",
		  OPT_FLAG, &c->tunnel_mode, 0, 0 },
		{ 'w', "window", "N", "so many on their way, 100", OPT_NUM,
		  &c->window, 1, SPOKES_MAX },
		{ 0, "rate", "N", "a second at most", OPT_NUM, &c->rate, 1,
		  1000000 },
		{ 0, "rounds", "N", "all begin anew, untold", OPT_NUM,
		  &c->rounds, 1, 1000 },
		{ 0, "rekey", "WHAT", "ike or child, when all are up",
		  OPT_TEXT, &c->rekey, 0, 0 },
		{ 0, "limit", "SECONDS", "of a phase, 120", OPT_NUM,
		  &c->limit, 1, 86400 },
		{ 0, "stay", "SECONDS", "answer so long afterwards", OPT_NUM,
		  &c->stay, 1, 86400 },
		{ 'j', "json", NULL, "records as JSON", OPT_FLAG, &c->json,
		  0, 0 },
		{ 'v', "verbose", NULL, "each failure", OPT_FLAG,
		  &c->verbose, 0, 0 },
		OPT_END
	};
	struct err e;
	int status;

	*c = (struct load_conf){ .kind = "psk", .psk = "only for measuring",
	    .spokes = 1000, .window = 100, .rounds = 1, .limit = 120,
	    .key = UINT64_MAX };
	if (addr_parse("10.64.0.0", &c->base, &e) < 0 ||
	    addr_parse("10.200.0.0", &c->tunnel, &e) < 0 ||
	    opt_parse(&argc, &argv, opts, "[options] HUB", 1, 1, &status) < 0)
		return EXIT_USAGE;
	c->keyed = c->key != UINT64_MAX;
	if (endpoint_parse(argv[0], 500, &c->hub, &e) < 0 ||
	    (strcmp(c->kind, "psk") != 0 && c->certs == NULL))
		return command_usage("HUB is an address; certificates need "
		    "--certs");
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	prepare();
	return rounds() ? EXIT_OK : EXIT_NO;
}
