#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/priv.h"

#define FDS_MAX 8

int
fd_send(int sock, const void *record, size_t len, const int *fds,
    size_t n, struct err *e)
{
	union {
		struct cmsghdr	h;
		uint8_t		b[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control;
	struct iovec iov = { (void *)(uintptr_t)record, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (n > FDS_MAX)
		return err_set(e, E2BIG, "%zu descriptors, %d is the most", n,
		    FDS_MAX);
	if (n > 0) {
		memset(&control, 0, sizeof(control));
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		control.h.cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(&control.h), fds, sizeof(int) * n);
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n);
	}
	do
		sent = sendmsg(sock, &mh, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return err_sys(e, "send descriptors");
	return 0;
}

static void
take_fds(const struct cmsghdr *c, int *fds, size_t *n)
{
	size_t k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (; k > 0 && *n < FDS_MAX; k--, (*n)++)
		memcpy(&fds[*n], CMSG_DATA(c) + *n * sizeof(int),
		    sizeof(int));
}

ssize_t
fd_receive(int sock, void *record, size_t len, int *fds, size_t *n,
    struct err *e)
{
	union {
		struct cmsghdr	h;
		uint8_t		b[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control;
	struct iovec iov = { record, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t got;

	*n = 0;
	do
		got = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_sys(e, "receive descriptors");
	for (c = CMSG_FIRSTHDR(&mh); c != NULL; c = CMSG_NXTHDR(&mh, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			take_fds(c, fds, n);
	if (!(mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return got;
	while (*n > 0)
		close(fds[--*n]);
	return err_set(e, EMSGSIZE, "a record or its descriptors were cut");
}

int
random_bytes(void *to, size_t len, struct err *e)
{
	uint8_t *p = (uint8_t *)to;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "getrandom");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
