#ifndef SYS_COMMAND_H
#define SYS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Programs with subcommands.  One table gives dispatch and usage; a table of
 * options for each command gives parsing (getopt_long), --help, and what
 * tests/lint compares with man pages and completions.
 */
enum exit_status {
	EXIT_OK = 0,
	EXIT_NO = 1,		/* no, and asking again will not help */
	EXIT_USAGE = 100,	/* wrong usage or configuration */
	EXIT_SYSTEM = 111,	/* the system failed, try again */
};

enum opt_kind {
	OPT_FLAG,	/* bool */
	OPT_TEXT,	/* const char * */
	OPT_NUM,	/* uint64_t, min..max */
	OPT_TIME,	/* uint64_t seconds, min..max, "90s", "8h" */
	OPT_ADDR,	/* struct addr */
	OPT_PREFIX,	/* struct prefix, host bits kept */
	OPT_ENDPOINT,	/* struct endpoint; default port in min */
	OPT_LIST,	/* struct opt_list: repeatable text */
};

#define OPT_LIST_MAX 64
struct opt_list {
	size_t		 n;
	const char	*v[OPT_LIST_MAX];
};

struct opt {
	char		 letter;	/* 0: none */
	const char	*name;
	const char	*arg;		/* "SECONDS"; NULL for flags */
	const char	*help;
	enum opt_kind	 kind;
	void		*to;
	uint64_t	 min, max;
};
#define OPT_END { 0, NULL, NULL, NULL, OPT_FLAG, NULL, 0, 0 }

/* -j --json, --cbor: every command that prints records has them. */
struct command {
	const char	*name;
	int (*run)(int argc, char **argv);	/* returns the exit status */
	const char	*args;
	const char	*help;
};

/* Dispatch; prints usage to stderr and gives 100 when argv is wrong;
 * "help", "-h", "--help" print it to stdout; "version", "--version".
 * argv[1] names a command of a table that ends in { NULL }. */
int command_main(int argc, char **argv, const char *program,
    const char *purpose, const struct command *commands);

/* Commands of two words, "interface set": the body of the command
 * "interface" hands its argc and argv and the table of second words here. */
int command_group(int argc, char **argv, const struct command *commands);

/* Parse the options of one command.  *argc and *argv are left with the
 * arguments.  Returns 0, or -1 with *status set: --help was printed (0), or
 * a usage error (100).  args as in the command table; min_args..max_args. */
int opt_parse(int *argc, char ***argv, const struct opt *opts,
    const char *args, int min_args, int max_args, int *status);

/* "program: sentence" to stderr; returns status. */
int command_fail(int status, const struct err *e);
int command_usage(const char *fmt, ...)		/* returns 100 */
    __attribute__((format(printf, 1, 2)));
const char *command_program(void);

/* Tell that we serve: a newline and close; fd < 0 does nothing. */
void ready_say(int fd);

#endif
