#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"
#include "base/text.h"
#include "path.h"
#include "priv_half.h"

#define UDP_PORT	4500
#define SOCKET_ROOM	(8 << 20)	/* octets of receive, send buffer */

static const struct {
	int		family, type, protocol;
	const char	*name;
} kinds[] = {
	[PATH_UDP4] = { AF_INET, SOCK_DGRAM, IPPROTO_UDP, "UDP" },
	[PATH_UDP6] = { AF_INET6, SOCK_DGRAM, IPPROTO_UDP, "UDP over IPv6" },
	[PATH_ESP4] = { AF_INET, SOCK_RAW, IPPROTO_ESP, "protocol 50" },
	[PATH_ESP6] = { AF_INET6, SOCK_RAW, IPPROTO_ESP,
	    "protocol 50 over IPv6" },
	[PATH_GRE4] = { AF_INET, SOCK_RAW, IPPROTO_GRE, "protocol 47" },
	[PATH_GRE6] = { AF_INET6, SOCK_RAW, IPPROTO_GRE,
	    "protocol 47 over IPv6" },
};

static void
give_room(int fd)
{
	int room = SOCKET_ROOM;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room,
	    sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room,
		    sizeof(room));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room,
	    sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room,
		    sizeof(room));
}

static int
udp_bind(int fd, int family, struct err *e)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(UDP_PORT), .sin6_addr = in6addr_any };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
		.sin_port = htons(UDP_PORT) };
	char who[96];
	int rc;

	if (family == AF_INET)
		rc = bind(fd, (const struct sockaddr *)&a4, sizeof(a4));
	else
		rc = bind(fd, (const struct sockaddr *)&a6, sizeof(a6));
	if (rc == 0)
		return 0;
	if (errno != EADDRINUSE)
		return err_sys(e, "bind UDP port %d", UDP_PORT);
	priv_port_holder(UDP_PORT, who, sizeof(who));
	return err_set(e, EADDRINUSE, "UDP port %d is in use%s%s: stop that "
	    "program first", UDP_PORT, who[0] == '\0' ? "" : " by ", who);
}

static int
socket_open(unsigned kind, bool again, struct err *e)
{
	int family = kinds[kind].family, fd, one = 1;

	fd = socket(family, kinds[kind].type | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    kinds[kind].protocol);
	if (fd < 0 && errno == EPERM)
		return err_set(e, EPERM, "%s needs CAP_NET_RAW",
		    kinds[kind].name);
	if (fd < 0)
		return err_sys(e, "open a socket for %s", kinds[kind].name);
	give_room(fd);
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one,
		    sizeof(one));
	if (again)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one,
		    sizeof(one));
	if (kinds[kind].type == SOCK_DGRAM && udp_bind(fd, family, e) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Bare GRE has no SPI by which it could be shared out. */
static size_t
of_kind(unsigned kind, size_t n)
{
	return kind == PATH_GRE4 || kind == PATH_GRE6 ? 1 : n;
}

ssize_t
priv_socket_open(unsigned kind, int *fds, size_t n, struct err *e)
{
	int one = 1;
	size_t i;

	if ((fds[0] = socket_open(kind, false, e)) < 0)
		return -1;
	n = of_kind(kind, n);
	/* The port was ours alone; the others share it with us. */
	if (n > 1)
		(void)setsockopt(fds[0], SOL_SOCKET, SO_REUSEPORT, &one,
		    sizeof(one));
	for (i = 1; i < n; i++)
		if ((fds[i] = socket_open(kind, true, e)) < 0)
			break;
	if (i == n)
		return (ssize_t)n;
	while (i > 0)
		close(fds[--i]);
	return -1;
}

/* The inode of a UDP socket on that port, from /proc/net/udp{,6}; 0: none. */
static unsigned long
port_inode(const char *file, uint16_t port)
{
	unsigned long inode = 0, n;
	char line[512];
	unsigned at;
	FILE *f;

	if ((f = fopen(file, "re")) == NULL)
		return 0;
	while (inode == 0 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s "
		    "%*s %*s %lu", &at, &n) == 2 && at == port)
			inode = n;
	fclose(f);
	return inode;
}

/* Does the process hold the socket? */
static bool
holds(const char *pid, const char *want)
{
	char path[300], link[64];
	const struct dirent *d;
	bool found = false;
	ssize_t len;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	if ((dir = opendir(path)) == NULL)
		return false;
	while (!found && (d = readdir(dir)) != NULL) {
		len = readlinkat(dirfd(dir), d->d_name, link,
		    sizeof(link) - 1);
		if (len <= 0)
			continue;
		link[len] = '\0';
		found = strcmp(link, want) == 0;
	}
	closedir(dir);
	return found;
}

static void
holder_name(const char *pid, char *out, size_t len)
{
	char path[300], name[32] = "", safe[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	if ((f = fopen(path, "re")) != NULL) {
		if (fgets(name, sizeof(name), f) == NULL)
			name[0] = '\0';
		fclose(f);
	}
	name[strcspn(name, "\n")] = '\0';
	text_escape(name, strlen(name), safe, sizeof(safe));
	(void)snprintf(out, len, "pid %s (%s)", pid, safe);
}

const char *
priv_port_holder(uint16_t port, char *out, size_t len)
{
	unsigned long inode = port_inode("/proc/net/udp", port);
	const struct dirent *d;
	char want[64];
	uint64_t pid;
	DIR *dir;

	out[0] = '\0';
	if (inode == 0)
		inode = port_inode("/proc/net/udp6", port);
	if (inode == 0 || (dir = opendir("/proc")) == NULL)
		return out;
	(void)snprintf(want, sizeof(want), "socket:[%lu]", inode);
	while (out[0] == '\0' && (d = readdir(dir)) != NULL)
		if (num_parse(d->d_name, 1, UINT32_MAX, &pid, NULL) == 0 &&
		    holds(d->d_name, want))
			holder_name(d->d_name, out, len);
	closedir(dir);
	return out;
}
