#include "sys/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/log.h"

#define READ_BATCH 16		/* messages a turn, so that others get theirs */

static void client_flush(void *arg);

/* Is the peer in the group, by its own gid or a supplementary one? */
static bool
peer_in_group(int fd, const struct ucred *peer, gid_t group)
{
	gid_t groups[64];
	socklen_t len = sizeof(groups);
	size_t i;

	if (peer->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

int
client_check(int fd, gid_t group, bool *trusted, uid_t *uid, struct err *e)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return err_sys(e, "credentials of a client");
	*uid = peer.uid;
	*trusted = peer.uid == 0 || peer.uid == geteuid();
	if (group == (gid_t)-1)
		group = getegid();
	if (!*trusted && !peer_in_group(fd, &peer, group))
		return err_set(e, EACCES, "uid %u gid %u is not in group %u",
		    peer.uid, peer.gid, group);
	return 0;
}

static void
server_sweep(void *arg)
{
	struct server *s = (struct server *)arg;
	struct client *c, *next;

	DL_FOREACH_SAFE(s->clients, c, next)
		if (c->fd < 0)
			client_free(c);
}

void
client_drop(struct client *c)
{
	bool wanted = c->wants.n_events > 0;
	struct server *s = c->server;

	if (c->fd < 0)
		return;
	watch_stop(&c->reads);
	watch_stop(&c->writes);
	timer_stop(&c->linger);
	close(c->fd);
	c->fd = -1;
	c->wants.n_events = 0;
	after_stop(&c->flush);
	outbox_clear(&c->queue);
	(void)timer_at(s->loop, &s->sweep, 1, server_sweep, s, NULL);
	if (wanted && s->conf.subscribed != NULL)
		s->conf.subscribed(s->conf.arg);
}

void
client_free(struct client *c)
{
	struct server *s = c->server;

	watch_stop(&c->reads);
	watch_stop(&c->writes);
	timer_stop(&c->linger);
	if (c->fd >= 0)
		close(c->fd);
	after_stop(&c->flush);
	outbox_clear(&c->queue);
	DL_DELETE(s->clients, c);
	s->n_clients--;
	free(c);
}

static void
linger_over(void *arg)
{
	client_drop((struct client *)arg);
}

/* It does not read.  What waited is lost; it is told so and dropped. */
static void
client_overflow(struct client *c)
{
	struct overflow m = { .lost = c->queue.messages + 1 };
	uint8_t room[128];
	struct wbuf w = wbuf_of(room, sizeof(room));

	log_event(LEVEL_WARN, "client-overflow", U("client", c->id),
	    U("lost", m.lost));
	outbox_clear(&c->queue);
	c->leaving = true;
	watch_stop(&c->reads);
	if (msg_write_event(&w, clock_ms(), &overflow_type, &m, NULL) < 0 ||
	    outbox_add(&c->queue, wbuf_rbuf(&w)) < 0 ||
	    timer_at(c->server->loop, &c->linger, clock_ms() + CLIENT_LINGER,
	    linger_over, c, NULL) < 0)
		client_drop(c);
	else
		after_turn(c->server->loop, &c->flush, client_flush, c);
}

static void
client_flush(void *arg)
{
	struct client *c = (struct client *)arg;
	int rc = outbox_send(&c->queue, c->fd, c->wants.several);

	if (rc == 0 && c->writes.ev == NULL)
		rc = watch_write(c->server->loop, &c->writes, c->fd,
		    client_flush, c, NULL);
	if (rc < 0 || (rc > 0 && c->leaving))
		client_drop(c);
	else if (rc > 0)
		watch_stop(&c->writes);
}

static bool
is_full(const struct client *c, size_t n)
{
	return c->queue.octets + n > CLIENT_QUEUE_OCTETS ||
	    c->queue.messages >= CLIENT_QUEUE_MESSAGES;
}

void
client_send(struct client *c, struct rbuf message)
{
	size_t n = rbuf_left(&message);

	if (c->fd < 0 || c->leaving)
		return;
	if (is_full(c, n) && c->writes.ev == NULL)
		client_flush(c);	/* it may read, but we write much */
	if (c->fd < 0)
		return;
	if (is_full(c, n) || outbox_add(&c->queue, message) < 0)
		client_overflow(c);
	else if (c->writes.ev == NULL)
		after_turn(c->server->loop, &c->flush, client_flush, c);
}

bool
client_wants(const struct client *c, const char *event)
{
	size_t i;

	if (c->fd < 0 || c->leaving)
		return false;
	for (i = 0; i < c->wants.n_events; i++)
		if (strncmp(event, c->wants.events[i],
		    strlen(c->wants.events[i])) == 0)
			return true;
	return false;
}

/* 1: a message is in buf; 0: none now; -1: the client is done with. */
static int
client_receive(struct client *c, uint8_t *buf, size_t cap, size_t *len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = cap };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	/* Without room for it no descriptor is ever taken in. */
	n = recvmsg(c->fd, &mh, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		log_event(LEVEL_WARN, "client-refused", U("client", c->id),
		    T("why", mh.msg_flags & MSG_TRUNC ?
		    "a message over the limit" : "descriptors sent"));
		return -1;
	}
	*len = (size_t)n;
	return 1;
}

/* The messages of one datagram: how many. */
static int
client_take(struct client *c, struct rbuf in)
{
	int n = 0;

	do {
		server_take(c->server, c, &in);
		n++;
	} while (rbuf_left(&in) > 0 && c->fd >= 0 && !c->leaving);
	return n;
}

static void
client_readable(void *arg)
{
	struct client *c = (struct client *)arg;
	uint8_t buf[MSG_MAX];
	size_t len;
	int i = 0, rc;

	while (i < READ_BATCH && c->fd >= 0 && !c->leaving) {
		rc = client_receive(c, buf, sizeof(buf), &len);
		if (rc == 0)
			return;
		if (rc < 0) {
			client_drop(c);
			return;
		}
		i += client_take(c, rbuf_of(buf, len));
		explicit_bzero(buf, len);	/* keys come this way */
	}
}

struct client *
client_new(struct server *s, int fd, struct err *e)
{
	struct client *c = (struct client *)calloc(1, sizeof(*c));
	int size = 4 * MSG_MAX;

	if (c == NULL) {
		close(fd);
		return err_null(err_set(e, ENOMEM, "client: out of memory"));
	}
	c->server = s;
	c->fd = fd;
	c->id = ++s->last_id;
	DL_APPEND(s->clients, c);
	s->n_clients++;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (client_check(fd, s->conf.group, &c->trusted, &c->uid, e) < 0 ||
	    watch_read(s->loop, &c->reads, fd, client_readable, c, e) < 0) {
		client_free(c);
		return NULL;
	}
	return c;
}
