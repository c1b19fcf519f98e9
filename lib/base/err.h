#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * An error is a code and a sentence.  Functions that can fail take a
 * struct err * last and return -1 (or NULL); the callee says what is wrong,
 * each caller may say where.  `e` may be NULL: then only the return value
 * tells.  Nothing here allocates, prints or exits.
 */

#define ERR_MAX 384

struct err {
	int	code;		/* errno(3) value; 0: no error */
	char	msg[ERR_MAX];	/* one sentence, never ends in a newline */
};

/* Set the sentence; always returns -1. */
int err_set(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set with the code errno and ": strerror(errno)" added. */
int err_sys(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Put "WHERE: " before the sentence; keeps the code; always returns -1. */
int err_in(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void err_clear(struct err *e);

/* For functions that return pointers: return err_null(err_set(...)). */
static inline void *
err_null(int rc)
{
	(void)rc;
	return 0;
}

#endif
