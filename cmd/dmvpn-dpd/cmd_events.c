#include "cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "msg/msg.h"
#include "sys/command.h"
#include "sys/link.h"
#include "sys/loop.h"
#include "sys/serve.h"

#define SOURCES_MAX	5
#define HELLO_LIMIT	3	/* seconds */

static const char *const layers[] = { "pki", "gre", "ike", "nhrp", "dpd",
    NULL };

struct stream {
	struct loop	*loop;
	struct link	*links[SOURCES_MAX];
	enum out_format	 format;
	int		 rc;
	struct err	*e;
};

static void
got_event(void *arg, const struct msg *m)
{
	struct stream *s = arg;

	/* An event of a newer schema is no reason to end. */
	if (out_event_now(stdout, s->format, m, s->e) < 0 &&
	    s->e->code != ENOTSUP)
		s->rc = -1;
	if (fflush(stdout) != 0) {
		err_sys(s->e, "writing");
		s->rc = -1;
	}
	if (s->rc < 0)
		loop_stop(s->loop);
}

static bool
is_layer(const char *name)
{
	for (const char *const *p = layers; *p != NULL; p++)
		if (strcmp(*p, name) == 0)
			return true;
	return false;
}

static int
source_open(struct stream *s, size_t i, const char *name,
    const char *const *wanted, struct err *e)
{
	char file[16], path[108];
	struct link_conf conf = { .path = path, .fd = -1, .events = wanted,
	    .arg = s, .event = got_event };

	if (!is_layer(name))
		return err_set(e, EINVAL, "--from %s: pki, gre, ike, nhrp or "
		    "dpd is wanted", name);
	snprintf(file, sizeof(file), "%s.sock", name);
	if (run_path(path, sizeof(path), file, e) < 0)
		return -1;
	s->links[i] = link_new(s->loop, &conf, e);
	return s->links[i] == NULL ? -1 : 0;
}

static void
stop_stream(void *arg)
{
	loop_stop(arg);
}

static int
stream_run(struct stream *s, const struct opt_list *from,
    const char *const *wanted)
{
	int rc = 0;

	if (from->n > SOURCES_MAX)
		return err_set(s->e, E2BIG, "--from: at most %d times",
		    SOURCES_MAX);
	if ((s->loop = loop_new(s->e)) == NULL)
		return -1;
	for (size_t i = 0; rc == 0 && i < from->n; i++)
		rc = source_open(s, i, from->v[i], wanted, s->e);
	if (rc == 0)
		rc = loop_signal(s->loop, SIGTERM, stop_stream, s->loop, s->e);
	if (rc == 0)
		rc = loop_run(s->loop, s->e);
	for (size_t i = 0; i < SOURCES_MAX; i++)
		link_free(s->links[i]);
	loop_free(s->loop);
	return rc < 0 ? rc : s->rc;
}

int
cmd_events(int argc, char **argv)
{
	bool json = false, cbor = false;
	struct opt_list from = { .n = 0 };
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG,
		    &json, 0, 0 },
		{ 0, "cbor", NULL, "a CBOR sequence, for the next program",
		    OPT_FLAG, &cbor, 0, 0 },
		{ 0, "from", "LAYER", "pki, gre, ike, nhrp or dpd (which is "
		    "the default); may be repeated", OPT_LIST, &from, 0, 0 },
		OPT_END,
	};
	const char *wanted[SOURCES_MAX * 8] = { NULL };
	struct err e = { 0 };
	struct stream s = { .e = &e };
	int status;

	if (opt_parse(&argc, &argv, opts, "[-j] [--cbor] [--from LAYER]... "
	    "[PREFIX...]", 0, 31, &status) < 0)
		return status;
	if (from.n == 0)
		from.v[from.n++] = "dpd";
	for (int i = 0; i < argc; i++)
		wanted[i] = argv[i];
	if (argc == 0)		/* all but the traces of packets */
		for (size_t i = 0; i < from.n; i++)
			wanted[i] = from.v[i];
	s.format = cbor ? OUT_CBOR : json ? OUT_JSON : OUT_TEXT;
	if (stream_run(&s, &from, wanted) < 0)
		return command_fail(e.code == EINVAL ? EXIT_USAGE :
		    EXIT_SYSTEM, &e);
	return EXIT_OK;
}

static void
too_slow(int signo)
{
	static const char text[] = "dmvpn-dpd: no answer: the daemon hangs\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)signo;
	(void)n;
	_exit(EXIT_SYSTEM);
}

static int
hello_one(const char *layer, bool json, struct err *e)
{
	struct hello m = { 0 };
	struct hello_reply r;
	char file[16], path[108], up[16];
	struct conn *c;
	int rc;

	snprintf(file, sizeof(file), "%s.sock", layer);
	if (run_path(path, sizeof(path), file, e) < 0 ||
	    (c = conn_open(path, e)) == NULL)
		return -1;
	rc = conn_call(c, &hello_type, &m, &hello_reply_type, &r, NULL, e);
	conn_close(c);
	if (rc < 0)
		return -1;
	if (json)
		return out_json(stdout, &hello_reply_type, &r, e);
	printf("%s %s pid %u up %s", r.program, r.version, r.pid,
	    human_time((clock_ms() - r.started) / 1000, up));
	if (r.heap > 0)
		printf(" heap %" PRIu64 " KB", (r.heap + 1023) / 1024);
	printf("\n");
	return 0;
}

/* Is it there, and does it still turn its loop? */
int
cmd_hello(int argc, char **argv)
{
	bool json = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG,
		    &json, 0, 0 },
		OPT_END,
	};
	struct err e = { 0 };
	int status = EXIT_OK;

	if (opt_parse(&argc, &argv, opts, "[-j] [LAYER]...", 0, SOURCES_MAX,
	    &status) < 0)
		return status;
	for (int i = 0; i < argc; i++)
		if (!is_layer(argv[i]))
			return command_usage("%s: pki, gre, ike, nhrp or dpd "
			    "is wanted", argv[i]);
	signal(SIGALRM, too_slow);
	for (int i = 0; i < (argc > 0 ? argc : SOURCES_MAX); i++) {
		alarm(HELLO_LIMIT);
		if (hello_one(argc > 0 ? argv[i] : layers[i], json, &e) < 0) {
			(void)command_fail(EXIT_SYSTEM, &e);
			status = EXIT_SYSTEM;
		} else
			fflush(stdout);
	}
	return status;
}
