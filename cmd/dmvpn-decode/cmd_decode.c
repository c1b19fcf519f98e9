#include "cmd_decode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "decode_frag.h"
#include "sys/command.h"
#include "sys/log.h"
#include "sys/loop.h"
#include "sys/pcapng.h"
#include "sys/priv.h"

#define MS_NS	1000000u

static bool
enough(const struct cmd_run *r)
{
	return r->limit > 0 && r->shown >= r->limit;
}

static int
status(const struct cmd_run *r)
{
	if (ferror(r->doc.f))
		return EXIT_SYSTEM;
	return r->shown > 0 && r->malformed == 0 ? EXIT_OK : EXIT_NO;
}

/* ---- captures ---- */

static int
one_frame(struct cmd_run *r, struct frag_table *t, const struct frame *f,
    struct err *e)
{
	struct dissect d;

	if (dissect_frame(f->link, f->data, &d) < 0)
		return err_set(e, ENOTSUP, "link type %u is not supported",
		    f->link);
	if (d.kind == DISSECT_FRAGMENT && !frag_take(t, &d))
		return 0;
	r->packet(r, f->ns, &d);
	return 0;
}

static int
one_file(struct cmd_run *r, const char *path, struct err *e)
{
	struct capture *c = capture_open(path, e);
	struct frag_table *t = frag_new(e);
	struct frame f;
	int rc = -1;

	if (c == NULL || t == NULL)
		goto out;
	while (!enough(r) && (rc = capture_next(c, &f, e)) > 0)
		if ((rc = one_frame(r, t, &f, e)) < 0)
			break;
out:
	frag_free(t);
	capture_close(c);
	if (rc == 0 || strncmp(e->msg, path, strlen(path)) == 0)
		return rc < 0 ? -1 : 0;		/* libpcap may name it */
	return rc < 0 ? err_in(e, "%s", path) : 0;
}

int
cmd_files(struct cmd_run *r, int argc, char **argv)
{
	struct err e;
	int i;

	for (i = 0; i < argc && !enough(r); i++)
		if (one_file(r, argv[i], &e) < 0)
			return command_fail(r->shown == 0 ? EXIT_SYSTEM :
			    EXIT_NO, &e);
	fflush(r->doc.f);
	if (r->shown == 0 && !ferror(r->doc.f)) {
		err_set(&e, ENOENT, "no such message was found");
		return command_fail(EXIT_NO, &e);
	}
	return status(r);
}

/* ---- live ---- */

/* Wall clock of an event's CLOCK_BOOTTIME, nanoseconds since 1970. */
static uint64_t
wall_ns(uint64_t at)
{
	uint64_t ago = clock_ms() - at, now;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	return ago > 3600000 ? now : now - ago * MS_NS;
}

/* All whole events of in; what is left over is moved to the front. */
static int
events(struct cmd_run *r, uint8_t *room, size_t *have, struct err *e)
{
	struct rbuf in = rbuf_of(room, *have), item;
	struct msg m;
	int n = 0;

	while (!enough(r) && (n = msg_item_length(&in, e)) > 0) {
		item = rbuf_sub(&in, (size_t)n);
		if (msg_read(item, &m, e) < 0)
			return -1;
		if (m.class == MSG_EVENT)
			r->event(r, wall_ns(m.at), &m);
	}
	*have = rbuf_left(&in);
	memmove(room, in.p, *have);
	return n < 0 ? -1 : 0;
}

int
cmd_live(struct cmd_run *r)
{
	static uint8_t room[4 * MSG_MAX];
	size_t have = 0;
	struct err e;
	ssize_t n;

	while (!enough(r)) {
		n = read(STDIN_FILENO, room + have, sizeof(room) - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(&e, "read events");
			return command_fail(EXIT_SYSTEM, &e);
		}
		if (n == 0)
			break;
		have += (size_t)n;
		if (events(r, room, &have, &e) < 0)
			return command_fail(EXIT_NO, &e);
		fflush(r->doc.f);
		if (r->copy != NULL)
			fflush(r->copy);
	}
	return ferror(r->doc.f) ? EXIT_SYSTEM : EXIT_OK;
}

/* ---- what the parsers may touch ---- */

int
cmd_confine(const char *copy, struct err *e)
{
	char dir[4096] = ".";
	const char *slash = copy == NULL ? NULL : strrchr(copy, '/');
	struct sandbox_path paths[] = { { "/", false }, { dir, true },
	    { NULL, false } };
	const struct sandbox_conf conf = { .flags = SANDBOX_FILES,
	    .paths = paths };

	if (slash != NULL)
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - copy) + 1,
		    copy);
	if (copy == NULL)
		paths[1].path = NULL;
	log_level(LEVEL_ERROR);	/* what the kernel lacks is its affair */
	if (sandbox_enter(&conf, e) < 0)
		return err_in(e, "sandbox");
	return 0;
}

/* ---- a copy as pcapng ---- */

int
cmd_copy_open(struct cmd_run *r, const char *path, struct err *e)
{
	int fd;

	if (path == NULL)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "create %s", path);
	r->copy = fdopen(fd, "w");
	if (r->copy == NULL) {
		close(fd);
		return err_sys(e, "create %s", path);
	}
	return pcapng_begin(r->copy, "dmvpn-decode", e);
}

int
cmd_copy_close(struct cmd_run *r, struct err *e)
{
	int rc = 0;

	/* fclose forgets what failed before it */
	if (r->copy != NULL && (fflush(r->copy) != 0 || ferror(r->copy)))
		rc = err_sys(e, "write capture");
	if (r->copy != NULL && fclose(r->copy) != 0 && rc == 0)
		rc = err_sys(e, "write capture");
	r->copy = NULL;
	return rc;
}
