#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"
#include "path_int.h"

#define SA_SLOTS	16384
#define ADDR_SLOTS	8192
#define IKE_SLOTS	16384
#define EARLY_SLOTS	256
#define RING_EARLY	(64 * 1024)
#define RING_FIRST	(256 * 1024)
#define RING_BULK	(128 * 1024)
#define RING_COMMAND	(128 * 1024)
#define RING_OWN	(64 * 1024)
#define WAKE_PORT	UINT32_MAX
#define GATHER_NS	50000		/* and what timers are late */
#define GATHER_RATE	64		/* messages a millisecond */
#define GATHER_FEW	32		/* of a turn */

static uint64_t
boottime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void
path_mac(uint16_t peer, uint8_t mac[6])
{
	static const uint8_t prefix[4] = { 0x02, 0x64, 0x6d, 0x76 };

	memcpy(mac, prefix, 4);
	store16(mac + 4, peer);
}

unsigned
path_threads(const struct path *p)
{
	return p->n_threads;
}

static int
thread_rx(struct path_thread *t)
{
	unsigned i;

	if ((t->rx = calloc(1, sizeof(*t->rx))) == NULL ||
	    path_ring_init(&t->early, RING_EARLY) < 0)
		return -1;
	for (i = 0; i < PATH_RX_BUFS; i++)
		if ((t->rx->buf[i] = malloc(PATH_BUF)) == NULL)
			return -1;
	return gro_init(t);
}

static int
thread_init(struct path *p, unsigned i, struct err *e)
{
	struct path_thread *t = &p->thread[i];
	struct epoll_event ev = { .events = EPOLLIN,
	    .data = { .u32 = WAKE_PORT } };

	t->p = p;
	t->index = i;
	t->in = i < p->n_in;
	t->out = i >= p->n_in || p->n_threads == 1;
	t->slot = t->in ? i : i - p->n_in;
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->epoll < 0 || t->wake < 0 ||
	    epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->wake, &ev) < 0)
		return err_sys(e, "packet thread %u", i);
	if (path_ring_init(&t->first, RING_FIRST) < 0 ||
	    path_ring_init(&t->bulk, RING_BULK) < 0 ||
	    path_ring_init(&t->strangers, RING_BULK) < 0 ||
	    path_ring_init(&t->commands, RING_COMMAND) < 0 ||
	    tx_init(&t->tx) < 0 || (t->frame = malloc(PATH_BUF)) == NULL ||
	    (t->in && thread_rx(t) < 0))
		return err_set(e, ENOMEM, "packet thread %u: out of memory",
		    i);
	path_epoch_reader(&p->epoch, &t->quiet);
	return 0;
}

static void
thread_fini(struct path_thread *t)
{
	unsigned i;

	if (t->epoll > 0)
		close(t->epoll);
	if (t->wake > 0)
		close(t->wake);
	path_ring_fini(&t->first);
	path_ring_fini(&t->bulk);
	path_ring_fini(&t->strangers);
	path_ring_fini(&t->commands);
	path_ring_fini(&t->early);
	tx_fini(&t->tx);
	if (t->frame != NULL)
		secret_wipe(t->frame, PATH_BUF);
	free(t->frame);
	for (i = 0; t->rx != NULL && i < PATH_RX_BUFS; i++) {
		if (t->rx->buf[i] != NULL)
			secret_wipe(t->rx->buf[i], PATH_BUF);
		free(t->rx->buf[i]);
	}
	free(t->rx);
	free(t->flows);
}

static int
tables_init(struct path *p)
{
	unsigned i;

	memcpy(&p->salt, p->conf.seed, sizeof(p->salt));
	for (i = 0; i < PATH_SOCKETS; i++)
		atomic_init(&p->socket[i], -1);
	p->peer = calloc(PATH_PEERS + 1, sizeof(*p->peer));
	p->cache = calloc(CACHE_SLOTS, sizeof(*p->cache));
	p->event_buf = malloc(PATH_BUF);
	p->installs = install_set_new();
	if (p->peer == NULL || p->cache == NULL || p->event_buf == NULL ||
	    p->installs == NULL)
		return -1;
	return path_ring_init(&p->own, RING_OWN) < 0 ||
	    path_hash_init(&p->by_addr, ADDR_SLOTS, p->salt) < 0 ||
	    path_hash_init(&p->sa, SA_SLOTS, p->salt) < 0 ||
	    path_hash_init(&p->ike, IKE_SLOTS, p->salt) < 0 ||
	    path_hash_init(&p->early, EARLY_SLOTS, p->salt) < 0 ? -1 : 0;
}

struct path *
path_new(const struct path_conf *conf, struct err *e)
{
	struct path *p;
	unsigned i;

	if (conf->threads > PATH_THREADS)
		return err_null(err_set(e, EINVAL, "%u threads, %u is the "
		    "most", conf->threads, PATH_THREADS));
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	p->conf = *conf;
	p->now = conf->now != NULL ? conf->now : boottime;
	p->n_threads = conf->threads == 0 ? path_threads_auto() :
	    conf->threads;
	p->n_in = path_receivers(p->n_threads);
	p->n_out = path_senders(p->n_threads);
	feature_crypto(p, conf->openssl);
	path_epoch_init(&p->epoch);
	fair_init(p);
	p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->thread = calloc(p->n_threads, sizeof(*p->thread));
	if (p->thread == NULL || p->event_fd < 0 || tables_init(p) < 0) {
		err_set(e, ENOMEM, "tables of the packet path: out of "
		    "memory");
		path_free(p);
		return NULL;
	}
	for (i = 0; i < p->n_threads; i++)
		if (thread_init(p, i, e) < 0) {
			path_free(p);
			return NULL;
		}
	if (share_init(p) < 0) {
		err_set(e, ENOMEM, "threads: out of memory");
		path_free(p);
		return NULL;
	}
	return p;
}

/* Whose loop a descriptor belongs into. */
static int
loop_of(const struct path *p, const struct port *port)
{
	unsigned i = port->thread;

	if (port->kind == PORT_TAP)
		i = share_holder(p, i);
	return p->thread[i].epoll;
}

/* A descriptor for a thread to wait on, by its index in p->port: what
 * epoll_wait gave may have been taken away before we look. */
int
path_port_add(struct path *p, const struct port *port, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct port *copy;
	uint32_t i;

	for (i = 0; i < PATH_PORTS; i++)
		if (get(&p->port[i]) == NULL)
			break;
	if (i == PATH_PORTS)
		return err_set(e, EMFILE, "%u descriptors are in use",
		    PATH_PORTS);
	if ((copy = malloc(sizeof(*copy))) == NULL)
		return err_set(e, ENOMEM, "out of memory");
	*copy = *port;
	put(&p->port[i], copy);
	ev.data.u32 = i;
	if (epoll_ctl(loop_of(p, port), EPOLL_CTL_ADD, port->fd, &ev) < 0) {
		err_sys(e, "epoll_ctl");
		put(&p->port[i], NULL);
		free(copy);
		return -1;
	}
	return 0;
}

static void
port_free(struct path_retire *r)
{
	struct port *port = path_entry(r, struct port, retire);

	close(port->fd);
	free(port);
}

void
path_port_remove(struct path *p, enum port_kind kind,
    enum path_socket socket, const struct iface *iface)
{
	struct port *port;
	unsigned i;

	for (i = 0; i < PATH_PORTS; i++) {
		port = get(&p->port[i]);
		if (port == NULL || port->kind != kind ||
		    port->iface != iface ||
		    (kind == PORT_SOCKET && port->socket != socket))
			continue;
		epoll_ctl(loop_of(p, port), EPOLL_CTL_DEL, port->fd, NULL);
		put(&p->port[i], NULL);
		path_epoch_retire(&p->epoch, &port->retire, port_free);
	}
}

/* What control and other receivers have for us. */
static void
commands(struct path_thread *t)
{
	struct path_thread *sender = share_works_for(t);
	struct event_head h;
	uint64_t gone;
	size_t n;

	while (read(t->wake, &gone, sizeof(gone)) > 0)
		continue;
	share_handed(t);
	while (sender != NULL && (n = path_ring_get(&sender->commands,
	    t->frame, PATH_BUF)) > 0) {
		memcpy(&h, t->frame, sizeof(h));
		if (h.type == PATH_PROBE)
			out_probe(t, &h, t->frame + sizeof(h),
			    n - sizeof(h));
		else
			out_nhrp(t, h.interface, h.peer,
			    t->frame + sizeof(h), n - sizeof(h));
	}
	tx_flush(t);
}

static void
port_ready(struct path_thread *t, uint32_t i, uint32_t events)
{
	struct port *port;

	if (i == WAKE_PORT) {
		commands(t);
		return;
	}
	if (i >= PATH_PORTS || (port = get(&t->p->port[i])) == NULL)
		return;
	if (port->kind == PORT_TAP) {
		/* The device is gone: it would be ready for ever. */
		if ((events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLIN))
			epoll_ctl(t->epoll, EPOLL_CTL_DEL, port->fd, NULL);
		else
			tap_read(t, port->iface, port->fd);
		return;
	}
	if (events & EPOLLERR)
		socket_errors(t, port->socket, port->fd);
	socket_read(t, port->socket, port->fd);
}

/*
 * Messages that come one by one at a high rate cost more to be woken for, at
 * both ends, than to be handled.  Then a short sleep gathers some: whoever
 * queues the next one wakes nobody.  Few a millisecond never wait.
 */
bool
path_gathers(struct path_thread *t, uint64_t before)
{
	bool few = t->turn_read > 0 && t->turn_read < GATHER_FEW;

	if (t->now != before) {
		t->ms_before = t->now == before + 1 ? t->ms_read : 0;
		t->ms_read = 0;
	}
	t->ms_read += t->turn_read;
	t->turn_read = 0;
	return few && t->ms_before >= GATHER_RATE;
}

void
path_turn(struct path_thread *t, int timeout)
{
	static const struct timespec nap = { 0, GATHER_NS };
	uint64_t before = t->now;
	struct epoll_event ev[16];
	int i, n;

	path_epoch_offline(&t->quiet);
	n = epoll_wait(t->epoll, ev, 16, timeout);
	path_epoch_online(&t->p->epoch, &t->quiet);
	t->now = t->p->now();
	early_turn(t);
	for (i = 0; i < n; i++)
		port_ready(t, ev[i].data.u32, ev[i].events);
	say_wake(t);
	share_turn(t);
	if (path_gathers(t, before)) {
		path_epoch_offline(&t->quiet);
		nanosleep(&nap, NULL);
	}
}

static void *
thread_main(void *arg)
{
	struct path_thread *t = arg;

	/* For top and ps; without it all goes on. */
	(void)prctl(PR_SET_NAME, !t->out ? "path-in" : t->in ? "path" :
	    "path-out");
	while (!atomic_load_explicit(&t->p->stop, memory_order_relaxed))
		path_turn(t, -1);
	path_epoch_offline(&t->quiet);
	return NULL;
}

int
path_start(struct path *p, struct err *e)
{
	sigset_t all, old;
	unsigned i;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (i = 0; i < p->n_threads && rc == 0; i++) {
		rc = pthread_create(&p->thread[i].id, NULL, thread_main,
		    &p->thread[i]);
		p->thread[i].started = rc == 0;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	put(&p->started, rc == 0);
	if (rc == 0)
		return 0;
	errno = rc;
	return err_sys(e, "packet thread %u", i - 1);
}

void
path_thread_wake(struct path_thread *t)
{
	uint64_t one = 1;

	while (write(t->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

static void
threads_stop(struct path *p)
{
	unsigned i;

	atomic_store(&p->stop, true);
	put(&p->started, false);
	for (i = 0; i < p->n_threads; i++) {
		if (!p->thread[i].started)
			continue;
		path_thread_wake(&p->thread[i]);
		pthread_join(p->thread[i].id, NULL);
	}
}

void
path_free(struct path *p)
{
	unsigned i;

	if (p == NULL)
		return;
	if (p->thread != NULL)
		threads_stop(p);
	for (i = 0; i < PATH_SOCKETS; i++)
		path_port_remove(p, PORT_SOCKET, (enum path_socket)i, NULL);
	if (p->peer != NULL && p->sa.slot != NULL &&
	    p->by_addr.slot != NULL) {
		path_iface_free_all(p);
		path_peer_free_all(p);
	}
	path_ike_free_all(p);
	early_free_all(p);
	for (i = 0; p->thread != NULL && i < p->n_threads; i++)
		path_epoch_offline(&p->thread[i].quiet);
	path_epoch_collect(&p->epoch);
	if (p->thread != NULL)
		share_fini(p);
	for (i = 0; p->thread != NULL && i < p->n_threads; i++)
		thread_fini(&p->thread[i]);
	path_ring_fini(&p->own);
	path_hash_fini(&p->by_addr);
	path_hash_fini(&p->sa);
	path_hash_fini(&p->ike);
	path_hash_fini(&p->early);
	install_set_free(p->installs);
	fair_fini(p);
	if (p->event_fd >= 0)
		close(p->event_fd);
	if (p->devices >= 0)
		close(p->devices);
	if (p->event_buf != NULL)
		secret_wipe(p->event_buf, PATH_BUF);
	free(p->event_buf);
	free(p->cache);
	free(p->peer);
	free(p->thread);
	secret_wipe(p, sizeof(*p));
	free(p);
}

uint64_t
path_tick(struct path *p)
{
	uint64_t now = p->now(), next = now + 1000, at;

	at = path_sa_expire(p, now);
	if (at != 0 && at < next)
		next = at;
	at = path_peer_tick(p, now);
	if (at != 0 && at < next)
		next = at;
	early_expire(p, now);
	at = fair_tick(p, now);
	if (at != 0 && at < next)
		next = at;
	guard_tick(p, now);
	at = probe_tick(p, now);
	if (at != 0 && at < next)
		next = at;
	share_tick(p, now);
	if (!path_epoch_collect(&p->epoch) && next > now + 50)
		next = now + 50;
	return next > now ? next : now + 1;
}

uint64_t
path_due(const struct path *p)
{
	uint64_t at = fair_due(p);

	return at != 0 && (p->search_at == 0 || at < p->search_at) ? at :
	    p->search_at;
}
