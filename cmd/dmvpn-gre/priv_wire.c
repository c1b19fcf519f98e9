#include "priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gre_hash.h"
#include "sys/priv.h"

const struct name priv_op_names[] = { PRIV_OPS(NAME_ROW) NAME_END };

struct priv_item {
	struct priv_item	*next, *prev;
	int			 fds[PRIV_QUEUES];
	size_t			 n;
	size_t			 len;
	uint8_t			 b[];
};

void
priv_wire_init(struct priv_wire *w, int fd)
{
	memset(w, 0, sizeof(*w));
	w->fd = fd;
}

static void
item_free(struct priv_item *i)
{
	size_t k;

	for (k = 0; k < i->n; k++)
		close(i->fds[k]);
	free(i);
}

void
priv_wire_fini(struct priv_wire *w)
{
	struct priv_item *i, *tmp;

	DL_FOREACH_SAFE(w->head, i, tmp) {
		DL_DELETE(w->head, i);
		item_free(i);
	}
	w->waiting = 0;
	w->left = rbuf_of(NULL, 0);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

/* Duplicates the descriptors: whose they are may close them. */
static int
item_keep(struct priv_item *i, const int *fds, size_t n, struct err *e)
{
	for (; i->n < n; i->n++) {
		i->fds[i->n] = fcntl(fds[i->n], F_DUPFD_CLOEXEC, 3);
		if (i->fds[i->n] < 0)
			return err_sys(e, "keep a descriptor");
	}
	return 0;
}

int
priv_wire_send(struct priv_wire *w, const void *record, size_t len,
    const void *data, size_t data_len, const int *fds, size_t n,
    struct err *e)
{
	struct priv_item *i;

	if (len > sizeof(struct priv_report) || data_len > PRIV_NOTE_MAX ||
	    n > PRIV_QUEUES)
		return err_set(e, EMSGSIZE, "record of %zu octets",
		    len + data_len);
	if ((i = malloc(sizeof(*i) + len + data_len)) == NULL)
		return err_set(e, ENOMEM, "out of memory");
	memset(i, 0, sizeof(*i));
	memcpy(i->b, record, len);
	if (data_len > 0)
		memcpy(i->b + len, data, data_len);
	i->len = len + data_len;
	if (item_keep(i, fds, n, e) < 0) {
		item_free(i);
		return -1;
	}
	DL_APPEND(w->head, i);
	w->waiting++;
	return 0;
}

static bool
is_full(const struct err *e)
{
	return e->code == EAGAIN || e->code == EWOULDBLOCK ||
	    e->code == ENOBUFS || e->code == EINTR ||
	    e->code == ETOOMANYREFS;
}

/* Length and octets of each, as many as fit; one with descriptors goes
 * alone.  How many these are. */
static size_t
pack(const struct priv_wire *w, struct wbuf *out)
{
	const struct priv_item *i;
	size_t k = 0;

	for (i = w->head; i != NULL; i = i->next) {
		if (wbuf_room(out) < 4 + i->len || (k > 0 && i->n > 0))
			break;
		wbuf_be32(out, (uint32_t)i->len);
		wbuf_put(out, i->b, i->len);
		k++;
		if (i->n > 0)
			break;
	}
	return k;
}

int
priv_wire_flush(struct priv_wire *w, struct err *e)
{
	uint8_t b[PRIV_DATAGRAM];
	struct priv_item *i;
	struct wbuf out;
	struct err why;
	size_t k;

	while (w->head != NULL) {
		out = wbuf_of(b, sizeof(b));
		k = pack(w, &out);
		err_clear(&why);
		if (fd_send(w->fd, b, out.len, w->head->fds, w->head->n,
		    &why) < 0)
			return is_full(&why) ? 0 :
			    err_set(e, why.code, "%s", why.msg);
		for (; k > 0; k--) {
			i = w->head;
			DL_DELETE(w->head, i);
			w->waiting--;
			item_free(i);
		}
	}
	return 0;
}

bool
priv_wire_more(const struct priv_wire *w)
{
	return rbuf_left(&w->left) > 0;
}

/* The next datagram; as priv_wire_receive. */
static int
fill(struct priv_wire *w, int *fds, size_t *n, struct err *e)
{
	struct err why;
	ssize_t got;

	err_clear(&why);
	got = fd_receive(w->fd, w->in, sizeof(w->in), fds, n, &why);
	if (got < 0 && (why.code == EAGAIN || why.code == EINTR))
		return 0;
	if (got < 0)
		return err_set(e, why.code, "%s", why.msg);
	if (got == 0)
		return err_set(e, EPIPE, "the other half is gone");
	w->left = rbuf_of(w->in, (size_t)got);
	return 1;
}

int
priv_wire_receive(struct priv_wire *w, void *record, size_t len,
    uint8_t data[PRIV_NOTE_MAX], size_t *data_len, int *fds, size_t *n,
    struct err *e)
{
	struct rbuf one;
	uint32_t size;
	size_t k;
	int rc;

	*n = 0;
	if (!priv_wire_more(w) && (rc = fill(w, fds, n, e)) <= 0)
		return rc;
	size = rbuf_be32(&w->left);
	one = rbuf_sub(&w->left, size);
	if (!rbuf_ok(&w->left) || size < len || size > len + PRIV_NOTE_MAX) {
		for (k = 0; k < *n; k++)
			close(fds[k]);
		*n = 0;
		w->left = rbuf_of(NULL, 0);
		return err_set(e, EBADMSG, "record of %u octets", size);
	}
	*data_len = size - len;
	rbuf_copy(&one, record, len);
	rbuf_copy(&one, data, *data_len);
	return 1;
}
