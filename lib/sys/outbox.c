#include "sys/outbox.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "msg/msg.h"

#define DATAGRAM_MAX 64		/* messages in one */

struct packet {
	struct packet	*prev, *next;
	size_t		 len;
	uint8_t		 b[];
};

int
outbox_add(struct outbox *o, struct rbuf message)
{
	size_t n = rbuf_left(&message);
	struct packet *p = (struct packet *)malloc(sizeof(*p) + n);

	if (p == NULL)
		return -1;
	p->len = n;
	memcpy(p->b, message.p, n);
	DL_APPEND(o->first, p);
	o->octets += n;
	o->messages++;
	return 0;
}

static void
drop_first(struct outbox *o)
{
	struct packet *p = o->first;

	DL_DELETE(o->first, p);
	o->octets -= p->len;
	o->messages--;
	explicit_bzero(p->b, p->len);
	free(p);
}

/* How many go into the next datagram. */
static size_t
gather(const struct outbox *o, bool several, struct iovec *v)
{
	size_t n = 0, octets = 0;
	struct packet *p;

	for (p = o->first; p != NULL; p = p->next) {
		octets += p->len;
		if (n > 0 && (!several || n == DATAGRAM_MAX ||
		    octets > MSG_MAX))
			break;
		v[n++] = (struct iovec){ .iov_base = p->b, .iov_len = p->len };
	}
	return n;
}

int
outbox_send(struct outbox *o, int fd, bool several)
{
	struct iovec v[DATAGRAM_MAX];
	struct msghdr mh = { .msg_iov = v };
	size_t n;

	while ((n = gather(o, several, v)) > 0) {
		mh.msg_iovlen = n;
		if (sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN || errno == EWOULDBLOCK ||
			    errno == ENOBUFS ? 0 : -1;
		}
		while (n-- > 0)
			drop_first(o);
	}
	return 1;
}

void
outbox_clear(struct outbox *o)
{
	while (o->first != NULL)
		drop_first(o);
}
