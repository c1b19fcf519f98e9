#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/num.h"
#include "sys/command.h"
#include "sys/daemon.h"
#include "sys/log.h"
#include "sys/priv.h"

#define BATCH		64
#define PULSE_MS	1000
#define WAITING_MAX	200000	/* requests that wait: more is a fault */

struct job {
	struct call	call;
	unsigned	left;		/* reports that are still to come */
	bool		closed;
	struct err	why;		/* the first that failed */
};

/* A request whose report matters. */
struct wait {
	uint32_t	seq;
	uint32_t	op;
	struct job	*job;		/* NULL: nobody waits */
	struct call	call;		/* of a lookup */
	struct addr	addr;
	uint16_t	peer;
	UT_hash_handle	hh;
};

/* --------------------------------------------------------------- jobs */

static const struct {
	int		code;
	const char	*text;
} refusals[] = {
	{ ENOENT, "not-found" },
	{ ENODEV, "not-found" },
	{ EEXIST, "exists" },
	{ EADDRINUSE, "exists" },
	{ EPERM, "owned" },
	{ EACCES, "denied" },
	{ EINVAL, "invalid" },
	{ ERANGE, "invalid" },
	{ ENOSPC, "full" },
	{ ENOMEM, "full" },
};

void
serve_refuse(const struct call *c, const struct err *e)
{
	size_t i;

	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (refusals[i].code == e->code) {
			call_err(c, "gre", refusals[i].text, e);
			return;
		}
	call_err(c, "gre", "failed", e);
}

struct job *
job_new(const struct call *c)
{
	struct job *j = calloc(1, sizeof(*j));
	struct err e;

	if (j == NULL) {
		err_set(&e, ENOMEM, "out of memory");
		serve_refuse(c, &e);
		return NULL;
	}
	j->call = *c;
	return j;
}

static void
job_end(struct job *j)
{
	if (!j->closed || j->left > 0)
		return;
	if (j->why.code != 0)
		serve_refuse(&j->call, &j->why);
	else
		call_ok(&j->call);
	free(j);
}

void
job_close(struct packet *p, struct job *j, int rc, const struct err *e)
{
	if (rc < 0)
		j->why = *e;
	j->closed = true;
	job_end(j);
	serve_poke(p);
}

/* ------------------------------------------------- the other half's end */

static void on_report(void *arg);

/* Without the privileged half there is nothing left to do. */
static void
other_lost(struct packet *p, const struct err *e)
{
	if (!p->over)
		log_event(LEVEL_ERROR, "privileged-half-lost",
		    T("why", e->msg));
	p->over = true;
	loop_stop(p->loop);
}

static void
on_writable(void *arg)
{
	struct packet *p = arg;
	struct err e;

	if (priv_wire_flush(&p->wire, &e) < 0)
		other_lost(p, &e);
	else if (p->wire.head == NULL)
		watch_stop(&p->out);
	else if (p->out.ev == NULL && watch_write(p->loop, &p->out,
	    p->wire.fd, on_writable, p, &e) < 0)
		other_lost(p, &e);
}

static int
send_request(struct packet *p, const struct priv_request *r,
    const void *data, size_t len)
{
	struct err e;

	if (p->wire.waiting >= WAITING_MAX) {
		if (p->unsent++ == 0)
			log_event(LEVEL_ERROR, "requests-full");
		return -1;
	}
	if (priv_wire_send(&p->wire, r, sizeof(*r), data, len, NULL, 0,
	    &e) < 0) {
		other_lost(p, &e);
		return -1;
	}
	if (p->out.ev == NULL)
		after_turn(p->loop, &p->flush, on_writable, p);
	return 0;
}

static struct wait *
wait_new(struct packet *p, const struct priv_request *r)
{
	struct wait *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	do
		w->seq = ++p->seq;
	while (w->seq == 0);
	w->op = r->op;
	w->addr = r->prefix.addr;
	w->peer = r->peer;
	HASH_ADD(hh, p->waits, seq, sizeof(w->seq), w);
	if (hash_added(w))
		return w;
	free(w);
	return NULL;
}

static void
wait_free(struct packet *p, struct wait *w)
{
	HASH_DEL(p->waits, w);
	free(w);
}

static void
job_failed(struct job *j, int code, const char *text)
{
	if (j != NULL && j->why.code == 0)
		err_set(&j->why, code, "%s", text);
}

/* gre_ops.kernel.  While notes are replayed the kernel has it all already. */
static void
ask_kernel(void *arg, struct priv_request *r, void *job)
{
	struct packet *p = arg;
	struct job *j = job;
	struct wait *w = NULL;

	if (p->gre.replaying && r->op != PRIV_PATH_MTU)
		return;
	if (j != NULL || r->op == PRIV_LINK_SET || r->op == PRIV_PATH_MTU) {
		if ((w = wait_new(p, r)) == NULL) {
			job_failed(j, ENOMEM, "out of memory");
			return;
		}
		w->job = j;
		r->seq = w->seq;
	}
	if (send_request(p, r, NULL, 0) < 0) {
		job_failed(j, ENOBUFS, "too many requests wait");
		if (w != NULL)
			wait_free(p, w);
		return;
	}
	if (j != NULL)
		j->left++;
}

static void
keep_note(void *arg, const struct priv_key *key, const void *data,
    size_t len)
{
	struct priv_request r = { .op = data == NULL ? PRIV_NOTE_DELETE :
	    PRIV_NOTE_SET, .key = *key, .len = (uint32_t)len };

	(void)send_request(arg, &r, data, len);
}

static void
send_event(void *arg, const struct msg_type *t, const void *m)
{
	const struct packet *p = arg;

	if (p->server != NULL)
		server_event(p->server, t, m);
}

void
serve_lookup(struct packet *p, const struct call *c, const struct addr *a)
{
	struct priv_request r = { .op = PRIV_LOOKUP,
	    .prefix = prefix_host(a) };
	struct wait *w = wait_new(p, &r);
	struct err e;

	if (w != NULL) {
		w->call = *c;
		r.seq = w->seq;
		if (send_request(p, &r, NULL, 0) == 0)
			return;
		wait_free(p, w);
	}
	err_set(&e, ENOBUFS, "too many requests wait");
	serve_refuse(c, &e);
}

void
serve_tell(struct packet *p, enum priv_op op, bool keep)
{
	struct priv_request r = { .op = op, .keep = keep };

	(void)send_request(p, &r, NULL, 0);
}

/* ------------------------------------------------------------- reports */

static uint16_t
lookup_peer(struct packet *p, const struct gre_iface *i,
    const struct addr *hop)
{
	const struct gre_map_entry *m = gre_map_find(&p->gre, i->id, hop);

	if (m != NULL)
		return m->peer->number;
	return i->conf.mode == GRE_MODE_DIRECT ? gre_peer_of_hop(hop) : 0;
}

static void
lookup_done(struct packet *p, const struct wait *w,
    const struct priv_report *r)
{
	struct gre_lookup_reply out = { .local = r->local };
	const struct gre_iface *i;

	if (r->error == 0) {
		memcpy(out.interface, r->link, sizeof(out.interface) - 1);
		out.via = r->via;
		out.prefix = r->prefix;
		i = gre_iface_find(&p->gre, out.interface);
		out.tunnel = i != NULL;
		if (i != NULL && !r->local)
			out.peer = lookup_peer(p, i, r->via.len != 0 ?
			    &r->via : &w->addr);
	}
	call_reply(&w->call, &gre_lookup_reply_type, &out);
}

static void
link_done(struct packet *p, const struct wait *w,
    const struct priv_report *r, const int *fds, size_t n)
{
	if (r->error == 0) {
		gre_link(&p->gre, r, fds, n);
		return;
	}
	if (w->job == NULL)
		log_event(LEVEL_WARN, "interface-failed",
		    T("interface", r->link), T("why", r->text));
	gre_link_failed(&p->gre, r->link);
}

/* The way to a peer must not lead through a tunnel of ours. */
static void
mtu_done(struct packet *p, const struct wait *w, const struct priv_report *r)
{
	struct addr_buf b;
	unsigned id;

	for (id = 1; id < PATH_INTERFACES; id++)
		if (p->gre.ifaces[id].id != 0 && r->index != 0 &&
		    p->gre.ifaces[id].index == r->index) {
			log_event(LEVEL_WARN, "outer-route-loop",
			    U("peer", w->peer),
			    T("remote", addr_text(&w->addr, &b)),
			    T("interface", p->gre.ifaces[id].conf.interface));
			return;
		}
	gre_peer_mtu(&p->gre, w->peer, r->mtu);
}

static void
report_done(struct packet *p, const struct priv_report *r, const int *fds,
    size_t n)
{
	struct wait *w;

	HASH_FIND(hh, p->waits, &r->seq, sizeof(r->seq), w);
	if (w == NULL)
		return;
	if (w->op == PRIV_LOOKUP)
		lookup_done(p, w, r);
	else if (w->op == PRIV_LINK_SET)
		link_done(p, w, r, fds, n);
	else if (w->op == PRIV_PATH_MTU && r->error == 0)
		mtu_done(p, w, r);
	if (w->job != NULL) {
		if (r->error != 0)
			job_failed(w->job, r->error, r->text);
		w->job->left--;
		job_end(w->job);
	}
	wait_free(p, w);
}

static void
report_note(struct packet *p, const struct priv_report *r,
    const uint8_t *data, size_t len)
{
	struct err e;

	if (gre_note_replay(&p->gre, &r->key, rbuf_of(data, len), clock_ms(),
	    &e) < 0)
		log_event(LEVEL_WARN, "note-lost", T("why", e.msg));
}

static void
report(struct packet *p, struct priv_report *r, const uint8_t *data,
    size_t len, const int *fds, size_t n)
{
	struct err e;

	r->link[sizeof(r->link) - 1] = '\0';
	r->text[sizeof(r->text) - 1] = '\0';
	switch ((enum priv_report_type)r->type) {
	case PRIV_DONE:
		report_done(p, r, fds, n);
		break;
	case PRIV_SOCKET:
		if (n == 1 && path_socket_add(p->path,
		    (enum path_socket)r->kind, fds[0], &e) < 0)
			log_event(LEVEL_WARN, "socket-refused",
			    T("why", e.msg));
		break;
	case PRIV_LINK:
		gre_link(&p->gre, r, fds, n);
		break;
	case PRIV_LINK_GONE:
		gre_link_gone(&p->gre, r->link);
		break;
	case PRIV_NOTE:
		report_note(p, r, data, len);
		break;
	case PRIV_BEGIN:
		p->begun = true;
		break;
	case PRIV_END:
		p->over = true;
		loop_stop(p->loop);
		break;
	}
}

/* One record: 1, 0 when there is none, -1 when the other half is gone. */
static int
take_report(struct packet *p)
{
	uint8_t data[PRIV_NOTE_MAX];
	struct priv_report r;
	int fds[PRIV_QUEUES], rc;
	size_t len, n;
	struct err e;

	rc = priv_wire_receive(&p->wire, &r, sizeof(r), data, &len, fds, &n,
	    &e);
	if (rc > 0)
		report(p, &r, data, len, fds, n);
	else if (rc < 0)
		other_lost(p, &e);
	return rc;
}

static void
on_report(void *arg)
{
	struct packet *p = arg;
	int i;

	for (i = 0; (i < BATCH || priv_wire_more(&p->wire)) && !p->over &&
	    take_report(p) > 0; i++)
		;
	serve_poke(p);
}

/* ---------------------------------------------------------------- time */

static void
on_tick(void *arg)
{
	struct packet *p = arg;
	struct err e;

	if (timer_at(p->loop, &p->tick, gre_tick(&p->gre,
	    loop_now(p->loop)), on_tick, p, &e) < 0)
		log_event(LEVEL_ERROR, "timer-failed", T("why", e.msg));
}

static void
on_path_tick(void *arg)
{
	struct packet *p = arg;

	p->path_at = 0;
	serve_path_at(p, path_tick(p->path));
}

void
serve_path_at(struct packet *p, uint64_t at)
{
	struct err e;

	if (at == 0 || (p->path_at != 0 && p->path_at <= at))
		return;
	p->path_at = at;
	if (timer_at(p->loop, &p->path_tick, at, on_path_tick, p, &e) < 0)
		log_event(LEVEL_ERROR, "timer-failed", T("why", e.msg));
}

void
serve_poke(struct packet *p)
{
	after_turn(p->loop, &p->poke, on_tick, p);
}

static void
on_pulse(void *arg)
{
	struct packet *p = arg;
	struct err e;

	serve_tell(p, PRIV_PULSE, false);
	if (timer_at(p->loop, &p->pulse, loop_now(p->loop) + PULSE_MS,
	    on_pulse, p, &e) < 0)
		log_event(LEVEL_ERROR, "timer-failed", T("why", e.msg));
}

/* --------------------------------------------------------------- start */

struct settings {
	uint64_t	fd, threads;
	bool		serve, openssl;
	const char	*user, *group;
	struct opt_list	clients;
};

static int
open_server(struct packet *p, const struct settings *s, struct err *e)
{
	struct server_conf conf = { .program = "dmvpn-gre",
	    .rows = serve_rows, .n_rows = serve_n_rows, .arg = p };
	uint64_t fd;
	char path[108];
	size_t i;

	if (daemon_group(s->group, &conf.group, e) < 0)
		return -1;
	if (s->serve) {
		if (run_dir_make(e) < 0 ||
		    run_path(path, sizeof(path), "gre.sock", e) < 0)
			return -1;
		conf.path = path;
	}
	if ((p->server = server_new(p->loop, &conf, e)) == NULL)
		return -1;
	for (i = 0; i < s->clients.n; i++)
		if (num_parse(s->clients.v[i], 3, INT32_MAX, &fd, e) < 0 ||
		    server_add(p->server, (int)fd, e) < 0)
			return -1;
	return 0;
}

static int
open_path(struct packet *p, const struct settings *s, struct err *e)
{
	struct path_conf conf = { .threads = (unsigned)s->threads,
	    .openssl = s->openssl };
	const struct gre_ops ops = { .arg = p, .kernel = ask_kernel,
	    .note = keep_note, .event = send_event };

	if (random_bytes(conf.seed, sizeof(conf.seed), e) < 0 ||
	    (p->path = path_new(&conf, e)) == NULL)
		return -1;
	gre_init(&p->gre, p->path, &ops);
	return 0;
}

static int
give_up_rights(const struct settings *s, struct err *e)
{
	const struct priv drop = { .user = s->user };
	const struct sandbox_conf conf = { .flags = SANDBOX_UNIX |
	    SANDBOX_THREADS | SANDBOX_TUN };

	return priv_drop(&drop, e) < 0 ? -1 : sandbox_enter(&conf, e);
}

/* What the other half knows already, before anybody is served. */
static int
take_state(struct packet *p, struct err *e)
{
	struct pollfd w = { .fd = p->wire.fd, .events = POLLIN };
	int rc = 1;

	while ((!p->begun || priv_wire_more(&p->wire)) && !p->over) {
		if (rc == 0 && poll(&w, 1, -1) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		rc = take_report(p);
	}
	return p->over ? err_set(e, EPIPE, "the privileged half is gone") : 0;
}

static int
packet_open(struct packet *p, const struct settings *s, struct err *e)
{
	priv_wire_init(&p->wire, (int)s->fd);
	if ((p->loop = loop_new(e)) == NULL || open_path(p, s, e) < 0 ||
	    open_server(p, s, e) < 0 || give_up_rights(s, e) < 0 ||
	    take_state(p, e) < 0 || path_start(p->path, e) < 0)
		return -1;
	if (watch_read(p->loop, &p->in, p->wire.fd, on_report, p, e) < 0 ||
	    watch_read(p->loop, &p->events, path_event_fd(p->path),
	    serve_events, p, e) < 0)
		return -1;
	on_pulse(p);
	on_tick(p);
	on_path_tick(p);
	serve_tell(p, PRIV_READY, false);
	return 0;
}

static void
packet_close(struct packet *p)
{
	struct wait *w, *tmp;

	HASH_ITER(hh, p->waits, w, tmp)
		wait_free(p, w);
	server_free(p->server);
	path_free(p->path);
	gre_fini(&p->gre);
	watch_stop(&p->in);
	watch_stop(&p->out);
	watch_stop(&p->events);
	timer_stop(&p->tick);
	timer_stop(&p->path_tick);
	timer_stop(&p->pulse);
	after_stop(&p->poke);
	after_stop(&p->flush);
	priv_wire_fini(&p->wire);
	loop_free(p->loop);
}

int
serve_packet_half(int argc, char **argv)
{
	struct settings s = { .fd = 0 };
	const struct opt opts[] = {
		{ 0, "fd", "FD", "pair", OPT_NUM, &s.fd, 3, INT32_MAX },
		{ 0, "threads", "N", "packet threads", OPT_NUM, &s.threads,
		    0, PATH_THREADS },
		{ 0, "serve", NULL, "gre.sock", OPT_FLAG, &s.serve, 0, 0 },
		{ 0, "openssl", NULL, "no ipsec-mb", OPT_FLAG, &s.openssl, 0,
		    0 },
		{ 0, "user", "NAME", "become", OPT_TEXT, &s.user, 0, 0 },
		{ 0, "group", "NAME", "of gre.sock", OPT_TEXT, &s.group, 0,
		    0 },
		{ 0, "client", "FD", "serve it", OPT_LIST, &s.clients, 0, 0 },
		OPT_END
	};
	static struct packet packet = { .wire = { .fd = -1 } };
	int status = EXIT_OK;
	struct err e;

	if (opt_parse(&argc, &argv, opts, "", 0, 0, &status) < 0)
		return status;
	if (s.fd == 0)
		return command_usage("packet-half is started by run");
	log_open("dmvpn-gre");
	(void)prctl(PR_SET_NAME, "dmvpn-gre", 0, 0, 0);
	signal(SIGINT, SIG_IGN);	/* the other half tells when to end */
	signal(SIGTERM, SIG_IGN);
	err_clear(&e);
	if (packet_open(&packet, &s, &e) < 0 ||
	    loop_run(packet.loop, &e) < 0)
		status = command_fail(EXIT_SYSTEM, &e);
	packet_close(&packet);
	return status;
}
