#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd.h"
#include "path.h"
#include "priv_half.h"
#include "sys/ask.h"
#include "sys/command.h"
#include "sys/out.h"
#include "sys/priv.h"

/* What this kernel or container lacks, and what to do about it. */

enum verdict { GOOD, LESS, BAD };
static const char *const verdicts[] = { "ok", "less", "bad" };

struct finding {
	const char	*name;
	enum verdict	 verdict;
	char		 text[256];
	const char	*fix;		/* NULL: nothing to do */
};

static void
find(struct finding *f, enum verdict v, const char *fix, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void
find(struct finding *f, enum verdict v, const char *fix, const char *fmt, ...)
{
	va_list ap;

	f->verdict = v;
	f->fix = fix;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

static void
check_tun(struct finding *f)
{
	struct err e;
	int fd;

	if ((fd = priv_tap_probe(&e)) < 0) {
		find(f, BAD, "docker run --device /dev/net/tun, or on the "
		    "host: modprobe tun", "%s", e.msg);
		return;
	}
	close(fd);
	find(f, GOOD, NULL, "/dev/net/tun can be opened");
}

static void
check_admin(struct finding *f)
{
	if (priv_has(CAP_NET_ADMIN))
		find(f, GOOD, NULL, "CAP_NET_ADMIN is there");
	else
		find(f, BAD, "run as root, or docker run --cap-add NET_ADMIN",
		    "CAP_NET_ADMIN is missing");
}

static void
check_raw(struct finding *f)
{
	if (priv_has(CAP_NET_RAW))
		find(f, GOOD, NULL, "CAP_NET_RAW is there: protocols 47 and "
		    "50 work too");
	else
		find(f, LESS, "needed only for peers without UDP "
		    "encapsulation: --cap-add NET_RAW",
		    "CAP_NET_RAW is missing: UDP encapsulation only");
}

static void
check_port(struct finding *f)
{
	struct conn *c;
	struct err e, quiet;
	int fd;

	if (priv_socket_open(PATH_UDP4, &fd, 1, &e) < 0)
		fd = -1;
	if (fd < 0 && (c = ask_open(GRE_SOCK, &quiet)) != NULL) {
		conn_close(c);
		find(f, GOOD, NULL, "UDP port 4500 is held by dmvpn-gre, "
		    "which runs");
		return;
	}
	if (fd < 0) {
		find(f, BAD, "only one program can have it: stop the other "
		    "one, or use another network namespace", "%s", e.msg);
		return;
	}
	close(fd);
	find(f, GOOD, NULL, "UDP port 4500 is free");
}

static void
check_ipv6(struct finding *f)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		find(f, LESS, NULL, "IPv6 is not in this kernel: IPv4 only");
		return;
	}
	close(fd);
	find(f, GOOD, NULL, "IPv6 is there");
}

/* The first character of a file of /proc/sys; 0: not readable. */
static char
setting(const char *path)
{
	char c = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c;
}

static void
check_forward(struct finding *f)
{
	char v4 = setting("/proc/sys/net/ipv4/ip_forward");

	if (v4 == '1')
		find(f, GOOD, NULL, "IPv4 packets are forwarded");
	else if (v4 == 0)
		find(f, LESS, NULL, "/proc/sys can not be read: whether "
		    "packets are forwarded is not known");
	else
		find(f, LESS, "sysctl net.ipv4.ip_forward=1; in a container: "
		    "docker run --sysctl net.ipv4.ip_forward=1",
		    "IPv4 packets are not forwarded: a hub, or a LAN behind "
		    "this machine, needs that");
}

static void
check_rp_filter(struct finding *f)
{
	char all = setting("/proc/sys/net/ipv4/conf/all/rp_filter");

	if (all == '1')
		find(f, LESS, "sysctl net.ipv4.conf.all.rp_filter=2",
		    "strict reverse path filtering is on for all interfaces: "
		    "packets that take another way back are dropped");
	else
		find(f, GOOD, NULL, "no strict reverse path filter");
}

static struct finding findings[] = {
	{ .name = "tun" },
	{ .name = "net-admin" },
	{ .name = "net-raw" },
	{ .name = "port-4500" },
	{ .name = "ipv6" },
	{ .name = "forwarding" },
	{ .name = "rp-filter" },
};
static void (*const checks[])(struct finding *f) = { check_tun, check_admin,
    check_raw, check_port, check_ipv6, check_forward, check_rp_filter };

static void
print_json(const struct finding *f)
{
	printf("{\"check\":");
	json_text(stdout, f->name, strlen(f->name));
	printf(",\"verdict\":");
	json_text(stdout, verdicts[f->verdict], strlen(verdicts[f->verdict]));
	printf(",\"text\":");
	json_text(stdout, f->text, strlen(f->text));
	if (f->fix != NULL) {
		printf(",\"fix\":");
		json_text(stdout, f->fix, strlen(f->fix));
	}
	printf("}\n");
}

static void
print_text(const struct finding *f)
{
	printf("%-4s  %-10s  %s\n", verdicts[f->verdict], f->name, f->text);
	if (f->fix != NULL)
		printf("%-4s  %-10s  -> %s\n", "", "", f->fix);
}

int
cmd_check(int argc, char **argv)
{
	bool json = false, bad = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG,
		    &json, 0, 0 },
		OPT_END
	};
	int status;
	size_t i;

	if (opt_parse(&argc, &argv, opts, "", 0, 0, &status) < 0)
		return status;
	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		checks[i](&findings[i]);
		if (json)
			print_json(&findings[i]);
		else
			print_text(&findings[i]);
		bad = bad || findings[i].verdict == BAD;
	}
	return bad ? EXIT_NO : EXIT_OK;
}
