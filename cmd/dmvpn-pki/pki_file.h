#ifndef PKI_FILE_H
#define PKI_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/secret.h"

/*
 * Files that hold keys and certificates.
 */
#define PKI_FILE_MAX	(4u << 20)

/* A whole file, "-" is standard input; NUL-ended, len without the NUL.  EINVAL:
 * it is not there, or not as it must be; else the system has failed.
 * Regular files only when secret: nobody else may read it, it must belong to
 * us or root, and it must not be a symbolic link. */
struct secret *pki_file_read(const char *path, bool secret, size_t max,
    struct err *e);

/*
 * Write a file so that after a crash it is whole or not there: a new file of
 * mode `mode` beside it, fsync, rename, fsync of the directory.  Without
 * replace an existing file is an error (EEXIST).
 * In two steps, so that a database can commit between them; pki_file_end
 * frees, and takes the new file away when it was not put in place.
 */
struct pki_file;
struct pki_file *pki_file_begin(const char *path, mode_t mode, bool replace,
    const void *data, size_t len, struct err *e);
int pki_file_commit(struct pki_file *f, struct err *e);
/* The same in steps, for many files: each is written, but may still be on its
 * way to the disk; one sync of the file system (of path, Linux 5.8 tells of
 * errors) takes all along; each is put in place; then the directory is synced
 * once. */
struct pki_file *pki_file_write_lazily(const char *path, mode_t mode,
    bool replace, const void *data, size_t len, struct err *e);
int pki_file_sync_all(const char *path, struct err *e);
int pki_file_place(struct pki_file *f, struct err *e);
int pki_file_settle(const char *path, struct err *e);
void pki_file_end(struct pki_file *f);

/* All of the above; path "-" is standard output. */
int pki_file_write(const char *path, mode_t mode, bool replace,
    const void *data, size_t len, struct err *e);
int pki_file_print(const void *data, size_t len, struct err *e);

#endif
