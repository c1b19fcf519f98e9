#include "priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "path.h"
#include "priv_half.h"
#include "priv_serve.h"
#include "priv_spawn.h"
#include "sys/log.h"
#include "sys/priv.h"
#include "sys/serve.h"

/*
 * The privileged half of dmvpn-gre: keeps CAP_NET_ADMIN, parses nothing from
 * the network, and starts the packet half again when it dies.
 */

#define BATCH		64	/* records taken in one turn of the loop */
#define WAITING_MAX	1024	/* unread reports that stop us listening */
#define PULSE_MS	1000
#define PULSES_MISSED	10	/* then the packet half hangs */
#define PULSES_START	60	/* the same before it is ready */
#define LIVED_MS	2000	/* shorter lives make restarts slower */
#define BACKOFF_MIN_MS	50
#define BACKOFF_MAX_MS	30000
#define STOP_MS		3000	/* for the packet half to end by itself */
#define AGAIN_MS	100	/* before a deleted interface is made again */
#define SWEEP_MS	60000	/* for the owners to state adopted ones */

struct half {
	struct loop		*loop;
	struct half_conf	 conf;
	struct priv_kernel	 kernel;
	struct priv_notes	*notes;
	int			 sockets[PATH_SOCKETS][PATH_RECEIVERS];
	size_t			 n_sockets[PATH_SOCKETS];
	int			 exe;
	pid_t			 pid;		/* 0: none */
	struct priv_wire	 wire;
	struct watch		 in, out, netlink;
	struct after		 flush;
	struct timer		 restart, pulse, again, sweep, kill;
	uint64_t		 started, backoff;
	unsigned		 missed;
	bool			 served;	/* a packet half was ready once */
	bool			 ready;		/* this one is */
	bool			 stopping, keep;
	int			 status;
};

static void child_start(void *arg);

/* ------------------------------------------------------------ reports */

/* The packet half has gone, or is beyond help: SIGCHLD brings the rest. */
static void
child_lost(struct half *h, const struct err *e)
{
	if (!h->stopping)
		log_event(LEVEL_WARN, "packet-half-lost", T("why", e->msg));
	watch_stop(&h->in);
	watch_stop(&h->out);
	after_stop(&h->flush);
	priv_wire_fini(&h->wire);
	if (h->pid > 0)
		kill(h->pid, SIGKILL);
}

static void on_request(void *arg);
static void on_writable(void *arg);

/* Listen for what the queue allows. */
static void
rewatch(struct half *h)
{
	bool full = h->wire.waiting >= WAITING_MAX;
	struct err e;
	int rc = 0;

	if (h->wire.fd < 0)
		return;
	if (h->wire.head == NULL)
		watch_stop(&h->out);
	else if (h->out.ev == NULL)
		rc = watch_write(h->loop, &h->out, h->wire.fd, on_writable, h,
		    &e);
	if (full)
		watch_stop(&h->in);
	else if (rc == 0 && h->in.ev == NULL)
		rc = watch_read(h->loop, &h->in, h->wire.fd, on_request, h,
		    &e);
	if (rc < 0)
		child_lost(h, &e);
}

static void
on_writable(void *arg)
{
	struct half *h = arg;
	struct err e;

	if (h->wire.fd < 0)
		return;
	if (priv_wire_flush(&h->wire, &e) < 0)
		child_lost(h, &e);
	else
		rewatch(h);
}

static void
report(struct half *h, const struct priv_report *out, const void *data,
    size_t len, const int *fds, size_t n)
{
	struct err e;

	if (h->wire.fd < 0)
		return;
	if (priv_wire_send(&h->wire, out, sizeof(*out), data, len, fds, n,
	    &e) < 0)
		child_lost(h, &e);
	else if (h->out.ev == NULL)
		after_turn(h->loop, &h->flush, on_writable, h);
}

static void
report_link(struct half *h, const struct priv_link *l, bool fresh)
{
	struct priv_report out = { .type = PRIV_LINK, .fresh = fresh };

	priv_report_link(l, &out);
	report(h, &out, NULL, 0, l->fds, fresh ? l->n : 0);
}

static bool
report_note(void *arg, const struct priv_key *key, const void *data,
    size_t len)
{
	struct priv_report out = { .type = PRIV_NOTE, .key = *key,
	    .len = (uint32_t)len };
	struct half *h = arg;

	report(h, &out, data, len, NULL, 0);
	return h->wire.fd >= 0;
}

/* Everything that a new packet half needs to go on. */
static void
report_all(struct half *h)
{
	struct priv_report out;
	size_t i, k;

	for (i = 0; i < PATH_SOCKETS; i++)
		for (k = 0; k < h->n_sockets[i]; k++) {
			out = (struct priv_report){ .type = PRIV_SOCKET,
			    .kind = (uint32_t)i };
			report(h, &out, NULL, 0, &h->sockets[i][k], 1);
		}
	priv_notes_each(h->notes, report_note, h);
	for (i = 0; i < PRIV_LINKS; i++)
		if (h->kernel.links[i].name[0] != '\0')
			report_link(h, &h->kernel.links[i],
			    h->kernel.links[i].n > 0);
	out = (struct priv_report){ .type = PRIV_BEGIN };
	report(h, &out, NULL, 0, NULL, 0);
}

/* ----------------------------------------------------------- requests */

static void
sweep(void *arg)
{
	struct half *h = arg;
	struct priv_link *l;

	for (l = h->kernel.links; l < h->kernel.links + PRIV_LINKS; l++)
		if (l->name[0] != '\0' && l->adopted && l->index != 0) {
			priv_entries_sweep(&h->kernel, l, true);
			l->adopted = false;
		}
}

static void
serve_kernel(struct half *h, const struct priv_request *r)
{
	struct priv_report out;
	const int *fds;
	struct err e;
	size_t n;

	priv_serve(&h->kernel, r, &out, &fds, &n);
	if (r->seq != 0)
		report(h, &out, NULL, 0, fds, n);
	else if (out.error != 0)	/* nobody minds, or IPv6 is off */
		log_event(r->op == PRIV_ADDR_SET ? LEVEL_DEBUG : LEVEL_WARN,
		    "request-failed", T("why", out.text));
	if (out.fresh && timer_at(h->loop, &h->sweep,
	    loop_now(h->loop) + SWEEP_MS, sweep, h, &e) < 0)
		log_event(LEVEL_WARN, "timer-failed", T("why", e.msg));
}

static void
serve_note(struct half *h, const struct priv_request *r, const void *data,
    size_t len)
{
	struct err e;

	if (r->op == PRIV_NOTE_DELETE)
		priv_note_delete(h->notes, &r->key);
	else if (len != r->len ||
	    priv_note_set(h->notes, &r->key, data, len, &e) < 0)
		log_event(LEVEL_WARN, "note-failed", T("why",
		    len != r->len ? "length" : e.msg));
}

static void
serve(struct half *h, const struct priv_request *r, const void *data,
    size_t len)
{
	if (h->stopping)
		return;
	switch (r->op) {
	case PRIV_READY:
		h->served = h->ready = true;
		h->missed = 0;
		if (h->conf.ready != NULL)
			h->conf.ready(h->conf.arg);
		break;
	case PRIV_PULSE:
		h->missed = 0;
		break;
	case PRIV_NOTE_SET:
	case PRIV_NOTE_DELETE:
		serve_note(h, r, data, len);
		break;
	case PRIV_STOP:
		half_stop(h, r->keep);
		break;
	default:
		serve_kernel(h, r);
		break;
	}
}

static void
on_request(void *arg)
{
	uint8_t data[PRIV_NOTE_MAX];
	struct priv_request r;
	struct half *h = arg;
	int fds[PRIV_QUEUES], i, rc = 1;
	size_t len, n;
	struct err e;

	for (i = 0; priv_wire_more(&h->wire) || (i < BATCH &&
	    h->wire.waiting < WAITING_MAX); i++) {
		rc = priv_wire_receive(&h->wire, &r, sizeof(r), data, &len,
		    fds, &n, &e);
		if (rc <= 0)
			break;
		while (n > 0)	/* it has none to give */
			close(fds[--n]);
		serve(h, &r, data, len);
		if (h->wire.fd < 0)
			return;
	}
	if (rc < 0)
		child_lost(h, &e);
	else
		rewatch(h);
}

/* ------------------------------------------------- changes in the kernel */

static void
make_again(void *arg)
{
	struct half *h = arg;
	struct priv_link *l;
	bool failed = false;
	struct err e;

	for (l = h->kernel.links; l < h->kernel.links + PRIV_LINKS; l++) {
		if (l->name[0] == '\0' || l->index != 0)
			continue;
		if (priv_link_again(&h->kernel, l, &e) == 0) {
			log_event(LEVEL_INFO, "interface-again",
			    T("interface", l->name));
			report_link(h, l, true);
			continue;
		}
		log_event(LEVEL_WARN, "interface-again",
		    T("interface", l->name), T("why", e.msg));
		failed = true;
	}
	if (failed)
		(void)timer_at(h->loop, &h->again,
		    loop_now(h->loop) + PULSE_MS, make_again, h, &e);
}

static void
link_gone(struct half *h, struct priv_link *l)
{
	struct priv_report out = { .type = PRIV_LINK_GONE };
	struct err e;

	log_event(LEVEL_WARN, "interface-gone", T("interface", l->name));
	l->index = 0;
	l->up = false;
	memcpy(out.link, l->name, sizeof(out.link));
	report(h, &out, NULL, 0, NULL, 0);
	if (timer_at(h->loop, &h->again, loop_now(h->loop) + AGAIN_MS,
	    make_again, h, &e) < 0)
		log_event(LEVEL_WARN, "timer-failed", T("why", e.msg));
}

/* What is in the kernel again is as it should be? */
static void
link_changed(struct half *h, struct priv_link *l,
    const struct netlink_link *now)
{
	bool was = l->up;

	l->up = now->up;
	if (!was && now->up)
		priv_entries_restore(&h->kernel, l);
	if (was != now->up)
		report_link(h, l, false);
}

static void
resync(struct half *h)
{
	struct netlink_link now;
	struct priv_link *l;
	struct err e;

	log_event(LEVEL_WARN, "netlink-overflow");
	for (l = h->kernel.links; l < h->kernel.links + PRIV_LINKS; l++) {
		if (l->name[0] == '\0' || l->index == 0)
			continue;
		if (netlink_link_by_index(h->kernel.nl, l->index, &now,
		    &e) < 0) {
			link_gone(h, l);
			continue;
		}
		link_changed(h, l, &now);
		if (!l->up)
			continue;
		priv_entries_restore(&h->kernel, l);
		if (!l->adopted)
			priv_entries_sweep(&h->kernel, l, false);
	}
}

static void
on_change(void *arg, const struct netlink_event *ev)
{
	struct half *h = arg;
	struct priv_link *l = NULL;

	if (ev->kind != NETLINK_NEIGH_GONE)
		h->kernel.mtu.index = 0;
	if (ev->kind == NETLINK_RESYNC) {
		resync(h);
		return;
	}
	if (ev->index == 0 ||
	    (l = priv_link_index(&h->kernel, ev->index)) == NULL)
		return;
	if (ev->kind == NETLINK_LINK_GONE)
		link_gone(h, l);
	else if (ev->kind == NETLINK_LINK)
		link_changed(h, l, &ev->link);
	else
		priv_entry_lost(&h->kernel, l,
		    ev->kind == NETLINK_ADDR_GONE ? PRIV_ADDR : PRIV_NEIGH,
		    &ev->prefix);
}

static void
on_netlink(void *arg)
{
	struct half *h = arg;
	struct err e;

	if (netlink_events(h->kernel.nl, on_change, h, &e) < 0)
		log_event(LEVEL_WARN, "netlink-failed", T("why", e.msg));
}

/* ------------------------------------------------------ the packet half */

static void
on_pulse(void *arg)
{
	struct half *h = arg;
	unsigned most = h->ready ? PULSES_MISSED : PULSES_START;
	struct err e;

	if (h->pid > 0 && ++h->missed > most) {
		err_set(&e, ETIMEDOUT, "no sign of life for %u s", most);
		child_lost(h, &e);
		h->missed = 0;
	}
	(void)timer_at(h->loop, &h->pulse, loop_now(h->loop) + PULSE_MS,
	    on_pulse, h, &e);
}

static void
child_start(void *arg)
{
	struct half *h = arg;
	struct spawn s = { .exe = h->exe, .argv0 = h->conf.argv0,
	    .user = h->conf.user, .group = h->conf.group,
	    .threads = h->conf.threads, .serve = h->conf.serve,
	    .openssl = h->conf.openssl,
	    .client = { h->conf.client[0], h->conf.client[1] } };
	struct err e;
	int fd, i;

	h->started = loop_now(h->loop);
	h->missed = 0;
	h->ready = false;
	h->pid = spawn_packet_half(&s, &fd, &e);
	for (i = 0; i < 2; i++) {
		if (h->conf.client[i] >= 0)
			close(h->conf.client[i]);
		h->conf.client[i] = -1;	/* the packet half has it */
	}
	if (h->pid < 0) {
		h->pid = 0;
		log_event(LEVEL_ERROR, "spawn-failed", T("why", e.msg));
		(void)timer_at(h->loop, &h->restart, h->started + PULSE_MS,
		    child_start, h, &e);
		return;
	}
	priv_wire_init(&h->wire, fd);
	report_all(h);
}

/* What was made in the kernel goes, or stays as it is. */
static void
let_go(struct half *h)
{
	timer_stop(&h->restart);
	timer_stop(&h->again);
	timer_stop(&h->sweep);
	watch_stop(&h->netlink);
	priv_kernel_fini(&h->kernel, h->keep);
}

static void
finish(struct half *h)
{
	char path[108];
	struct err e;

	timer_stop(&h->kill);
	timer_stop(&h->pulse);
	let_go(h);
	/* A packet half of another uid could not remove it. */
	if (h->conf.serve && h->served &&
	    run_path(path, sizeof(path), "gre.sock", &e) == 0)
		(void)unlink(path);
	if (h->conf.ended != NULL)
		h->conf.ended(h->conf.arg);
}

static void
child_again(struct half *h)
{
	uint64_t now = loop_now(h->loop), wait = 0;
	struct err e;

	if (now - h->started < LIVED_MS) {
		wait = h->backoff;
		h->backoff = wait == 0 ? BACKOFF_MIN_MS : wait * 2;
		if (h->backoff > BACKOFF_MAX_MS)
			h->backoff = BACKOFF_MAX_MS;
	} else
		h->backoff = 0;
	if (timer_at(h->loop, &h->restart, now + wait, child_start, h,
	    &e) < 0)
		log_event(LEVEL_ERROR, "timer-failed", T("why", e.msg));
}

void
half_reap(struct half *h)
{
	int status;

	if (h->pid <= 0 || waitpid(h->pid, &status, WNOHANG) != h->pid)
		return;
	h->pid = 0;
	watch_stop(&h->in);
	watch_stop(&h->out);
	after_stop(&h->flush);
	priv_wire_fini(&h->wire);
	if (!h->served && WIFEXITED(status) && WEXITSTATUS(status) != 0) {
		h->status = WEXITSTATUS(status);	/* it said why */
		h->stopping = true;
	}
	if (h->stopping) {
		finish(h);
		return;
	}
	log_event(LEVEL_WARN, "packet-half-ended",
	    U("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
	    U("status", WIFEXITED(status) ? WEXITSTATUS(status) : 0));
	child_again(h);
}

static void
child_kill(void *arg)
{
	struct half *h = arg;

	if (h->pid > 0)
		kill(h->pid, SIGKILL);
}

void
half_stop(struct half *h, bool keep)
{
	struct priv_report out = { .type = PRIV_END };
	struct err e;

	if (h->stopping)
		return;
	h->stopping = true;
	h->keep = keep;
	let_go(h);	/* before anybody learns that we end */
	if (h->pid <= 0) {
		finish(h);
		return;
	}
	report(h, &out, NULL, 0, NULL, 0);
	if (timer_at(h->loop, &h->kill, loop_now(h->loop) + STOP_MS,
	    child_kill, h, &e) < 0)
		child_kill(h);
}

int
half_status(const struct half *h)
{
	return h->status;
}

/* -------------------------------------------------------------- start */

/* Port 4500 we must have; protocols 47 and 50 and IPv6 may be missing. */
static int
open_sockets(struct half *h, struct err *e)
{
	struct err why;
	unsigned i;
	ssize_t n;

	for (i = 0; i < PATH_SOCKETS; i++) {
		n = priv_socket_open(i, h->sockets[i],
		    path_receivers(h->conf.threads), &why);
		if (n >= 0) {
			h->n_sockets[i] = (size_t)n;
			continue;
		}
		if (i == PATH_UDP4 || why.code == EADDRINUSE)
			return err_set(e, why.code, "%s", why.msg);
		log_event(LEVEL_DEBUG, "socket-missing", T("why", why.msg));
	}
	return 0;
}

static int
check_rights(struct err *e)
{
	int fd;

	if (!priv_has(CAP_NET_ADMIN))
		return err_set(e, EPERM, "CAP_NET_ADMIN is missing: run as "
		    "root, or give the container --cap-add NET_ADMIN");
	if ((fd = priv_tap_probe(e)) < 0)
		return -1;
	close(fd);
	return 0;
}

static int
owner_uid(const char *user, uid_t *uid, struct err *e)
{
	const struct passwd *pw;

	*uid = (uid_t)-1;
	if (user == NULL)
		return 0;
	if ((pw = getpwnam(user)) == NULL)
		return err_set(e, EINVAL, "there is no user %s", user);
	*uid = pw->pw_uid;
	return 0;
}

static int
drop(const struct half_conf *conf, struct err *e)
{
	struct priv p = { .keep_caps = UINT64_C(1) << CAP_NET_ADMIN };

	if (conf->user != NULL)		/* the packet half changes to it */
		p.keep_caps |= UINT64_C(1) << CAP_SETUID |
		    UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_SETPCAP |
		    UINT64_C(1) << CAP_KILL;
	return priv_drop(&p, e);
}

static int
half_open(struct half *h, struct err *e)
{
	int fd;

	if (check_rights(e) < 0 ||
	    owner_uid(h->conf.user, &h->kernel.owner, e) < 0 ||
	    (h->exe = spawn_exe(h->conf.argv0, e)) < 0 ||
	    (h->notes = priv_notes_new(e)) == NULL ||
	    (h->kernel.nl = netlink_open(e)) == NULL ||
	    (fd = netlink_subscribe(h->kernel.nl, e)) < 0 ||
	    open_sockets(h, e) < 0 || drop(&h->conf, e) < 0)
		return -1;
	return watch_read(h->loop, &h->netlink, fd, on_netlink, h, e);
}

/* A TAP queue for each thread of the way out. */
static unsigned
queues_of(unsigned threads)
{
	unsigned n = path_senders(threads);

	return n > PRIV_QUEUES ? PRIV_QUEUES : n;
}

struct half *
half_new(struct loop *l, const struct half_conf *conf, struct err *e)
{
	struct half *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	h->loop = l;
	h->conf = *conf;
	if (h->conf.threads == 0)
		h->conf.threads = path_threads_auto();
	h->exe = -1;
	h->wire.fd = -1;
	h->kernel.queues = queues_of(h->conf.threads);
	if (half_open(h, e) < 0) {
		h->keep = true;		/* nothing was made */
		priv_kernel_fini(&h->kernel, true);
		half_free(h);
		return NULL;
	}
	child_start(h);
	on_pulse(h);
	return h;
}

void
half_free(struct half *h)
{
	size_t i, k;

	if (h == NULL)
		return;
	watch_stop(&h->in);
	watch_stop(&h->out);
	watch_stop(&h->netlink);
	timer_stop(&h->restart);
	timer_stop(&h->pulse);
	timer_stop(&h->again);
	timer_stop(&h->sweep);
	timer_stop(&h->kill);
	after_stop(&h->flush);
	priv_wire_fini(&h->wire);
	if (h->kernel.nl != NULL)
		priv_kernel_fini(&h->kernel, h->keep);
	priv_notes_free(h->notes);
	for (i = 0; i < PATH_SOCKETS; i++)
		for (k = 0; k < h->n_sockets[i]; k++)
			close(h->sockets[i][k]);
	for (i = 0; i < 2; i++)
		if (h->conf.client[i] >= 0)
			close(h->conf.client[i]);
	if (h->exe >= 0)
		close(h->exe);
	free(h);
}
