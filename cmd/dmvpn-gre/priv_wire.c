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
	*w = (struct priv_wire){ .fd = fd };
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
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

static struct priv_item *
item_new(const void *record, size_t len, const int *fds, size_t n,
    struct err *e)
{
	struct priv_item *i = malloc(sizeof(*i) + len);

	if (i == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	memset(i, 0, sizeof(*i));
	memcpy(i->b, record, len);
	i->len = len;
	for (; i->n < n; i->n++) {
		i->fds[i->n] = fcntl(fds[i->n], F_DUPFD_CLOEXEC, 3);
		if (i->fds[i->n] < 0) {
			err_sys(e, "keep a descriptor");
			item_free(i);
			return NULL;
		}
	}
	return i;
}

static int
queue_up(struct priv_wire *w, const void *record, size_t len, const int *fds,
    size_t n, struct err *e)
{
	struct priv_item *i = item_new(record, len, fds, n, e);

	if (i == NULL)
		return -1;
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

int
priv_wire_send(struct priv_wire *w, const void *record, size_t len,
    const void *data, size_t data_len, const int *fds, size_t n,
    struct err *e)
{
	uint8_t b[sizeof(struct priv_report) + PRIV_NOTE_MAX];
	struct err why;

	if (len + data_len > sizeof(b) || n > PRIV_QUEUES)
		return err_set(e, EMSGSIZE, "record of %zu octets",
		    len + data_len);
	memcpy(b, record, len);
	if (data_len > 0)
		memcpy(b + len, data, data_len);
	if (w->head != NULL)
		return queue_up(w, b, len + data_len, fds, n, e);
	err_clear(&why);
	if (fd_send(w->fd, b, len + data_len, fds, n, &why) == 0)
		return 0;
	if (is_full(&why))
		return queue_up(w, b, len + data_len, fds, n, e);
	return err_set(e, why.code, "%s", why.msg);
}

int
priv_wire_flush(struct priv_wire *w, struct err *e)
{
	struct priv_item *i;
	struct err why;

	while ((i = w->head) != NULL) {
		err_clear(&why);
		if (fd_send(w->fd, i->b, i->len, i->fds, i->n, &why) < 0)
			return is_full(&why) ? 0 :
			    err_set(e, why.code, "%s", why.msg);
		DL_DELETE(w->head, i);
		w->waiting--;
		item_free(i);
	}
	return 0;
}

int
priv_wire_receive(struct priv_wire *w, void *record, size_t len,
    uint8_t data[PRIV_NOTE_MAX], size_t *data_len, int *fds, size_t *n,
    struct err *e)
{
	uint8_t b[sizeof(struct priv_report) + PRIV_NOTE_MAX];
	struct err why;
	ssize_t got;
	size_t k;

	err_clear(&why);
	got = fd_receive(w->fd, b, sizeof(b), fds, n, &why);
	if (got < 0 && (why.code == EAGAIN || why.code == EINTR))
		return 0;
	if (got < 0)
		return err_set(e, why.code, "%s", why.msg);
	if (got == 0)
		return err_set(e, EPIPE, "the other half is gone");
	if ((size_t)got < len || (size_t)got > len + PRIV_NOTE_MAX) {
		for (k = 0; k < *n; k++)
			close(fds[k]);
		*n = 0;
		return err_set(e, EBADMSG, "record of %zd octets", got);
	}
	memcpy(record, b, len);
	*data_len = (size_t)got - len;
	memcpy(data, b + len, *data_len);
	return 1;
}
