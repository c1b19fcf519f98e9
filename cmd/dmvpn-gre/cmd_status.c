#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_list.h"
#include "sys/ask.h"
#include "sys/command.h"
#include "sys/serve.h"

#define AGAIN_MS	50
#define AGAIN_TRIES	40
#define AGAIN_GONE	4	/* without a socket: it is the end */

/* Does somebody serve (again)?  A packet half that died is replaced, and
 * only the privileged half's end is the end.  For a moment there is no socket
 * then either: the new one takes the place of the old one. */
static bool
serves_again(void)
{
	const struct timespec pause = { .tv_nsec = AGAIN_MS * 1000000L };
	char path[108];
	struct conn *c;
	struct err e;
	int i, gone = 0;

	if (run_path(path, sizeof(path), GRE_SOCK, &e) < 0)
		return false;
	for (i = 0; i < AGAIN_TRIES && gone < AGAIN_GONE; i++) {
		gone = access(path, F_OK) == 0 ? 0 : gone + 1;
		if ((c = ask_open(GRE_SOCK, &e)) != NULL) {
			conn_close(c);
			return true;
		}
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

int
cmd_wait(int argc, char **argv)
{
	static const struct opt opts[] = { OPT_END };
	int status;

	if (opt_parse(&argc, &argv, opts, "", 0, 0, &status) < 0)
		return status;
	do
		status = command_wait(GRE_SOCK);
	while (status == EXIT_OK && serves_again());
	return status;
}

int
cmd_stop(int argc, char **argv)
{
	return command_stop_main(argc, argv, GRE_SOCK);
}

int
cmd_events(int argc, char **argv)
{
	static const char *const all[] = { "gre-", NULL };

	return command_events_main(argc, argv, GRE_SOCK, all);
}

void
cmd_print_features(const struct gre_status_reply *r)
{
	size_t i;

	printf("features:");
	for (i = 0; i < r->n_features; i++)
		if (r->features[i].on)
			printf(" %s", r->features[i].name);
	printf("\n");
	for (i = 0; i < r->n_features; i++)
		if (!r->features[i].on)
			printf("  without %s: %s\n", r->features[i].name,
			    r->features[i].why[0] == '\0' ? "not in use yet" :
			    r->features[i].why);
}

void
cmd_print_drops(const struct gre_status_reply *r)
{
	size_t i;

	if (r->n_drops == 0) {
		printf("drops: none\n");
		return;
	}
	printf("drops:\n");
	for (i = 0; i < r->n_drops; i++)
		printf("  %-16s %llu\n", r->drops[i].reason,
		    (unsigned long long)r->drops[i].count);
}

int
cmd_ask_status(struct gre_status_reply *r)
{
	const struct gre_status m = { .none = 0 };

	return command_call(GRE_SOCK, &gre_status_type, &m,
	    &gre_status_reply_type, r);
}

int
cmd_status(int argc, char **argv)
{
	static struct gre_status_reply r;
	bool json = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "a JSON object", OPT_FLAG, &json, 0, 0 },
		OPT_END
	};
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "", 0, 0, &status) < 0 ||
	    (status = cmd_ask_status(&r)) != EXIT_OK)
		return status;
	if (json)
		return out_json(stdout, &gre_status_reply_type, &r, &e) < 0 ?
		    command_fail(EXIT_SYSTEM, &e) : EXIT_OK;
	printf("%llu peers, %llu SAs, %u packet threads\n",
	    (unsigned long long)r.peers, (unsigned long long)r.sas,
	    r.threads);
	cmd_print_features(&r);
	cmd_print_drops(&r);
	return EXIT_OK;
}
