#include "sys/image.h"

#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#if !defined(DT_TEXTREL) || !defined(DT_FLAGS) || !defined(DF_TEXTREL)
#error "no <link.h> of ELF"
#endif

/* Relocations in pages that are only to be read would be lost. */
static bool
has_text_relocations(const struct dl_phdr_info *o)
{
	const ElfW(Dyn) *d;
	size_t i;

	for (i = 0; i < o->dlpi_phnum; i++) {
		if (o->dlpi_phdr[i].p_type != PT_DYNAMIC)
			continue;
		d = (const ElfW(Dyn) *)(o->dlpi_addr +
		    o->dlpi_phdr[i].p_vaddr);
		for (; d->d_tag != DT_NULL; d++)
			if (d->d_tag == DT_TEXTREL ||
			    (d->d_tag == DT_FLAGS &&
			    d->d_un.d_val & DF_TEXTREL))
				return true;
	}
	return false;
}

static int
rest(struct dl_phdr_info *o, size_t size, void *arg)
{
	const uintptr_t page = *(const uintptr_t *)arg;
	const ElfW(Phdr) *p;
	uintptr_t from, to;
	size_t i;

	(void)size;
	if (has_text_relocations(o))
		return 0;
	for (i = 0; i < o->dlpi_phnum; i++) {
		p = &o->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || p->p_flags & PF_W)
			continue;
		from = (o->dlpi_addr + p->p_vaddr + page - 1) & ~(page - 1);
		to = (o->dlpi_addr + p->p_vaddr + p->p_filesz) & ~(page - 1);
		if (from < to)
			(void)madvise((void *)from, to - from,
			    MADV_DONTNEED);
	}
	return 0;
}

void
image_rest(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)dl_iterate_phdr(rest, &page);
}
