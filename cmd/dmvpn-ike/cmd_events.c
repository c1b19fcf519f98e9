#include "cmd.h"
#include "sys/ask.h"
#include "sys/command.h"
#include "sys/decoder.h"

#define ARGS_MAX	16

int
cmd_events(int argc, char **argv)
{
	/* All but the traces of packets. */
	static const char *const all[] = { "ike-up", "ike-down",
	    "ike-failed", "ike-waiting", "ike-child-up", NULL };

	return command_events_main(argc, argv, CMD_SOCK, all);
}

int
cmd_wait(int argc, char **argv)
{
	return command_wait_main(argc, argv, CMD_SOCK);
}

int
cmd_stop(int argc, char **argv)
{
	return command_stop_main(argc, argv, CMD_SOCK);
}

int
cmd_trace(int argc, char **argv)
{
	static const char *const wanted[] = { "ike-packet", "ike-keys",
	    NULL };
	const char *peer = NULL, *spi = NULL, *exchange = NULL;
	const char *count = NULL, *copy = NULL;
	bool json = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a message", OPT_FLAG,
		  &json, 0, 0 },
		{ 0, "peer", "ADDR", "only messages from or to ADDR",
		  OPT_TEXT, &peer, 0, 0 },
		{ 0, "spi", "HEX", "only the IKE SA with this SPI", OPT_TEXT,
		  &spi, 0, 0 },
		{ 0, "exchange", "NAME", "only this exchange, as ike-auth",
		  OPT_TEXT, &exchange, 0, 0 },
		{ 'c', "count", "N", "stop after N messages", OPT_TEXT,
		  &count, 0, 0 },
		{ 'w', "write", "FILE", "also write them as pcapng, and keys "
		  "that are exported to FILE.keys", OPT_TEXT, &copy, 0, 0 },
		OPT_END
	};
	const char *args[ARGS_MAX] = { "dmvpn-decode", "ike", "--live" };
	int status;
	size_t n = 3;

	if (opt_parse(&argc, &argv, opts, "[-j] [--peer ADDR] "
	    "[--exchange NAME] [--write FILE]", 0, 0, &status) < 0)
		return status;
	if (json)
		args[n++] = "--json";
	n = decoder_option(args, n, "--peer", peer);
	n = decoder_option(args, n, "--spi", spi);
	n = decoder_option(args, n, "--exchange", exchange);
	n = decoder_option(args, n, "--count", count);
	(void)decoder_option(args, n, "--write", copy);
	return decoder_trace(CMD_SOCK, wanted, args);
}

int
cmd_decode(int argc, char **argv)
{
	return decoder_main(argc, argv, "ike");
}
