#include "sys/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/command_int.h"
#include "sys/log.h"
#include "sys/version.h"

/* Which program and which command of it run: for messages. */
static struct {
	const char		*program;
	const char		*purpose;
	const struct command	*command;
	char			 words[64];	/* " interface set" */
} self = { .program = "dmvpn" };

const char *
command_program(void)
{
	return self.program;
}

const char *
command_words(void)
{
	return self.words;
}

const struct command *
command_current(void)
{
	return self.command;
}

static bool
is_help(const char *word)
{
	return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 ||
	    strcmp(word, "-h") == 0;
}

static bool
is_version(const char *word)
{
	return strcmp(word, "version") == 0 ||
	    strcmp(word, "--version") == 0;
}

static void
print_usage(FILE *f, const struct command *commands)
{
	const struct command *c;
	int width = 0;

	fprintf(f, "usage: %s%s COMMAND [ARGUMENTS]\n", self.program,
	    self.words);
	if (self.words[0] == '\0' && self.purpose != NULL)
		fprintf(f, "%s\n", self.purpose);
	fprintf(f, "\ncommands:\n");
	for (c = commands; c->name != NULL; c++)
		if ((int)strlen(c->name) > width)
			width = (int)strlen(c->name);
	for (c = commands; c->name != NULL; c++)
		fprintf(f, "  %-*s  %s\n", width, c->name, c->help);
	fprintf(f, "\n\"%s%s COMMAND --help\" tells more.\n", self.program,
	    self.words);
}

static const struct command *
find(const struct command *c, const char *name)
{
	for (; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static int
dispatch(int argc, char **argv, const struct command *commands)
{
	size_t n = strlen(self.words);
	const struct command *c;

	if (argc < 2) {
		print_usage(stderr, commands);
		return EXIT_USAGE;
	}
	if (is_help(argv[1])) {
		print_usage(stdout, commands);
		return EXIT_OK;
	}
	if ((c = find(commands, argv[1])) == NULL) {
		print_usage(stderr, commands);
		fprintf(stderr, "\n%s: no command \"%s%s%s\"\n", self.program,
		    n > 0 ? self.words + 1 : "", n > 0 ? " " : "", argv[1]);
		return EXIT_USAGE;
	}
	self.command = c;
	snprintf(self.words + n, sizeof(self.words) - n, " %s", c->name);
	return c->run(argc - 1, argv + 1);
}

/* A result that could not be written was not given. */
static int
flush(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "%s: writing the result failed\n", self.program);
	return status == EXIT_OK ? EXIT_SYSTEM : status;
}

int
command_main(int argc, char **argv, const char *program,
    const char *purpose, const struct command *commands)
{
	self.program = program;
	self.purpose = purpose;
	self.words[0] = '\0';
	log_open(program);
	if (argc >= 2 && is_version(argv[1])) {
		printf("%s %s\n", program, DMVPN_VERSION);
		return flush(EXIT_OK);
	}
	return flush(dispatch(argc, argv, commands));
}

int
command_group(int argc, char **argv, const struct command *commands)
{
	return dispatch(argc, argv, commands);
}

int
command_fail(int status, const struct err *e)
{
	char stamp[48];

	fflush(stdout);
	fprintf(stderr, "%s%s: %s\n", log_time(stamp), self.program, e->msg);
	return status;
}

int
command_usage(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", self.program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nusage: %s%s", self.program, self.words);
	if (self.command != NULL && self.command->args != NULL &&
	    self.command->args[0] != '\0')
		fprintf(stderr, " %s", self.command->args);
	fprintf(stderr, "\n");
	return EXIT_USAGE;
}

void
ready_say(int fd)
{
	if (fd < 0)
		return;
	while (write(fd, "\n", 1) < 0 && errno == EINTR)
		continue;
	close(fd);
}
