#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "path_int.h"

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif

/*
 * How the work is shared out.
 *
 * In: the kernel gives each receiver the packets of the SPIs that are its
 * own, so that the packets of an SA stay in order and nobody else touches its
 * replay window.  What comes to another all the same (UDP_GRO puts datagrams
 * of several SPIs together) is handed on.
 *
 * Out: a TAP queue belongs to a sender.  While the receiver beside it is not
 * busy it does the sender's work as well, which spares a wake-up a packet.
 * Whoever holds the work gives it away itself, between two turns, so that no
 * flow is reordered.
 */
#define HANDED_RING	(64 * 1024)
#define AUTO_MOST	8		/* threads that nobody asked for */
#define LOOK_EVERY	250		/* ms */
#define BUSY		80		/* percent of a core: two loops */
#define LAZY		40		/* percent of both: one */
#define WAIT_MS		100

unsigned
path_threads_auto(void)
{
	cpu_set_t set;
	int n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	if (n < 2)
		return 1;
	return n > AUTO_MOST ? AUTO_MOST : (unsigned)n & ~1u;
}

unsigned
path_receivers(unsigned threads)
{
	return threads < 2 ? 1 : threads / 2;
}

unsigned
path_senders(unsigned threads)
{
	return threads < 2 ? 1 : threads - threads / 2;
}

/* The receiver beside a sender, or itself when there is none. */
static unsigned
beside(const struct path *p, unsigned sender)
{
	unsigned k = sender - p->n_in;

	return p->n_threads > 1 && k < p->n_in ? k : sender;
}

int
share_init(struct path *p)
{
	struct path_thread *t;
	unsigned i, k;

	for (i = 0; i < p->n_threads; i++) {
		t = &p->thread[i];
		atomic_init(&t->holder, t->out ? beside(p, i) : i);
		atomic_init(&t->wanted, t->out ? beside(p, i) : i);
		if (!t->in || p->n_in == 1)
			continue;
		t->handed = calloc(p->n_in, sizeof(*t->handed));
		if (t->handed == NULL)
			return -1;
		for (k = 0; k < p->n_in; k++)
			if (k != i && path_ring_init(&t->handed[k],
			    HANDED_RING) < 0)
				return -1;
	}
	return 0;
}

void
share_fini(struct path *p)
{
	unsigned i, k;

	for (i = 0; i < p->n_threads; i++) {
		for (k = 0; p->thread[i].handed != NULL && k < p->n_in; k++)
			path_ring_fini(&p->thread[i].handed[k]);
		free(p->thread[i].handed);
		p->thread[i].handed = NULL;
	}
}

unsigned
share_sender(const struct path *p, unsigned k)
{
	return p->n_threads == 1 ? 0 : p->n_in + k % p->n_out;
}

/* ----------------------------------------------------- one loop or two */

/* Move the TAP queues of a sender from our loop to another. */
static void
give(struct path_thread *t, struct path_thread *sender, unsigned to)
{
	struct path *p = t->p;
	struct epoll_event ev = { .events = EPOLLIN };
	const struct port *port;
	uint32_t i;

	for (i = 0; i < PATH_PORTS; i++) {
		port = get(&p->port[i]);
		if (port == NULL || port->kind != PORT_TAP ||
		    port->thread != sender->index)
			continue;
		ev.data.u32 = i;
		if (epoll_ctl(t->epoll, EPOLL_CTL_DEL, port->fd, NULL) == 0)
			epoll_ctl(p->thread[to].epoll, EPOLL_CTL_ADD,
			    port->fd, &ev);
	}
	put(&sender->holder, to);
	path_thread_wake(&p->thread[to]);	/* for what control queued */
}

static void
turn_of(struct path_thread *t, struct path_thread *sender)
{
	unsigned to = get(&sender->wanted);

	if (get(&sender->holder) == t->index && to != t->index)
		give(t, sender, to);
}

struct path_thread *
share_works_for(struct path_thread *t)
{
	struct path *p = t->p;
	struct path_thread *sender = t;

	if (!t->out && t->index < p->n_out)
		sender = &p->thread[p->n_in + t->index];
	return get(&sender->holder) == t->index ? sender : NULL;
}

void
share_turn(struct path_thread *t)
{
	struct path_thread *sender = share_works_for(t);

	if (sender != NULL)
		turn_of(t, sender);
}

/* Control: until the one who has it gave it away; who takes it does not
 * matter to what follows. */
unsigned
share_holder(const struct path *p, unsigned sender)
{
	const struct path_thread *t = &p->thread[sender];
	struct timespec nap = { 0, 50000 };
	unsigned i;

	for (i = 0; get(&p->started) && i < WAIT_MS * 20 &&
	    get(&t->holder) != get(&t->wanted); i++)
		nanosleep(&nap, NULL);
	return get(&t->holder);
}

void
share_want(struct path *p, unsigned sender, unsigned who)
{
	unsigned holder = share_holder(p, sender);

	put(&p->thread[sender].wanted, who);
	if (holder != who)
		path_thread_wake(&p->thread[holder]);
}

/* Percent of a core that the thread used since the last look. */
static unsigned
busy(struct path_thread *t, uint64_t now)
{
	struct timespec ts;
	clockid_t clock;
	uint64_t cpu, ms = now - t->cpu_at, used;

	if (pthread_getcpuclockid(t->id, &clock) != 0 ||
	    clock_gettime(clock, &ts) < 0)
		return 0;
	cpu = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	used = cpu - t->cpu;
	t->cpu = cpu;
	t->cpu_at = now;
	return ms == 0 ? 0 : (unsigned)(used / 10000 / ms);
}

/* A thread that has less than a core, since others want it too, would win
 * nothing by a second one. */
void
share_tick(struct path *p, uint64_t now)
{
	unsigned i, r, load;

	if (!get(&p->started) || p->n_threads == 1 ||
	    now - p->shared_at < LOOK_EVERY)
		return;
	p->shared_at = now;
	for (i = p->n_in; i < p->n_threads; i++) {
		if ((r = beside(p, i)) == i)
			continue;
		load = busy(&p->thread[r], now) + busy(&p->thread[i], now);
		if (get(&p->thread[i].wanted) == r && load > BUSY)
			share_want(p, i, i);
		else if (get(&p->thread[i].wanted) == i && load < LAZY)
			share_want(p, i, r);
	}
}

/* ------------------------------------------------- one SA, one receiver */

void
share_hand(struct path_thread *t, unsigned owner, const struct in_meta *m,
    const uint8_t *p, size_t n)
{
	struct path_thread *to = &t->p->thread[owner];

	if (path_ring_put(&to->handed[t->index], m, sizeof(*m), p, n))
		t->handing[owner] = true;
	else
		drop(t, DROP_RING);
}

void
share_wake(struct path_thread *t)
{
	unsigned i;

	for (i = 0; i < t->p->n_in; i++)
		if (t->handing[i]) {
			t->handing[i] = false;
			path_thread_wake(&t->p->thread[i]);
		}
}

void
share_handed(struct path_thread *t)
{
	struct in_meta m;
	unsigned i;
	size_t n;

	for (i = 0; t->handed != NULL && i < t->p->n_in; i++) {
		if (i == t->index)
			continue;
		while ((n = path_ring_get(&t->handed[i], t->frame,
		    PATH_BUF)) > 0) {
			memcpy(&m, t->frame, sizeof(m));
			in_esp(t, &m, t->frame + sizeof(m), n - sizeof(m));
			gro_flush(t);	/* the frame is used again */
		}
	}
}

/* Which socket of a group: the SPI, 0 for IKE and for keepalives (a word that
 * is not there reads as 0), modulo the number of receivers. */
static int
steer_udp(const struct path *p, int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, p->n_in),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	const struct sock_fprog prog = {
	    .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog,
	    sizeof(prog));
}

/* Raw sockets all get a packet: each takes its own.  IPv4 shows the IP header
 * as well. */
static int
steer_raw(const struct path *p, bool v4, int fd, unsigned k)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, p->n_in),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog prog = {
	    .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (v4)
		code[0].code = BPF_LDX | BPF_B | BPF_MSH;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
	    sizeof(prog));
}

int
share_steer(struct path *p, enum path_socket kind, int fd, unsigned k)
{
	switch (kind) {
	case PATH_UDP4:
	case PATH_UDP6:
		return steer_udp(p, fd);
	case PATH_ESP4:
	case PATH_ESP6:
		return steer_raw(p, kind == PATH_ESP4, fd, k);
	case PATH_GRE4:
	case PATH_GRE6:
		break;
	}
	errno = EOPNOTSUPP;
	return -1;
}
