# DMVPN toolkit.  GNU make; targets: all deps check check-asan check-cross crash
# demo bench bench-check asan fuzz soak warnings install uninstall clean.
# Users may set: CC CFLAGS LDFLAGS PREFIX DESTDIR MODE O TESTS FUZZ_SECONDS.

MODE ?= release
O ?= build
PREFIX ?= /usr/local
LIBEXECDIR ?= $(PREFIX)/libexec/dmvpn
PKG_CONFIG ?= pkg-config

B := $(O)/$(MODE)
BIN := $(O)/bin

PROGRAMS := $(patsubst cmd/%/main.c,%,$(wildcard cmd/dmvpn-*/main.c))
PACKAGES := libcrypto libssl libcbor libevent libmnl sqlite3 libseccomp libpcap libcares

ifeq ($(filter deps clean uninstall,$(MAKECMDGOALS)),)
MISSING := $(shell for p in $(PACKAGES); do \
	$(PKG_CONFIG) --exists $$p || echo $$p; done)
ifneq ($(MISSING),)
ifeq ($(filter check check-asan demo,$(MAKECMDGOALS)),)
$(error missing development packages: $(MISSING); "make deps" installs them)
endif
endif
endif

# Intel's ipsec-mb is used when it is there (it has no pkg-config file) for
# the machine that is built for: when it links.
IPSEC_MB := $(shell printf '\043include <intel-ipsec-mb.h>\nint main(void) { return 0; }\n' | \
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o /dev/null -x c - \
	-lIPSec_MB >/dev/null 2>&1 && echo yes)
ifeq ($(IPSEC_MB),yes)
MB_CFLAGS := -DHAVE_IPSEC_MB
MB_LIBS := -lIPSec_MB
endif

PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE
ifeq ($(MODE),release)
CFLAGS ?= -O2 -g
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
ifeq ($(MODE),asan)
CFLAGS ?= -O1 -g -fno-omit-frame-pointer
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
ifeq ($(MODE),tsan)
CFLAGS ?= -O1 -g
SAN := -fsanitize=thread
endif
ifeq ($(MODE),fuzz)
CC := clang
CFLAGS ?= -O1 -g -fno-omit-frame-pointer
SAN := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
endif
ifneq ($(SAN),)
HARDEN += -DDMVPN_SANITIZED
endif

ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(WARN) $(HARDEN) $(SAN) -iquote lib -iquote $(B)/gen \
	-DLIBEXECDIR='"$(LIBEXECDIR)"' $(PKG_CFLAGS) $(MB_CFLAGS) \
	-pthread $(CFLAGS)
ALL_LDFLAGS := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(SAN) \
	-pthread $(LDFLAGS)

# What a program links; --as-needed drops what it does not use.
LIBS_COMMON := -lcbor -levent_core -levent_extra -lmnl -lseccomp -lcrypto \
	$(MB_LIBS)
LIBS_dmvpn-pki := -lsqlite3 -lssl -levent_openssl -lcares
LIBS_dmvpn-dpd := -lcares
LIBS_dmvpn-decode := -lpcap
LIBS_dmvpn-gre := -ldl

LIB_SRC := $(wildcard lib/*/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(B)/gen/msg/types.o
# All of a program but what touches the loop, sockets and exit: for tests.
ENGINE_SRC := $(filter-out %/main.c $(wildcard cmd/*/cmd_*.c cmd/*/serve*.c), \
	$(wildcard cmd/*/*.c))
ENGINE_OBJ := $(ENGINE_SRC:%.c=$(B)/%.o)
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/*_test.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all
all: $(PROGRAMS:%=$(BIN)/%) $(if $(wildcard cmd/dmvpn/dmvpn.sh),$(BIN)/dmvpn)

define program_rule
$(B)/bin/$(1): $(patsubst %.c,$(B)/%.o,$(wildcard cmd/$(1)/*.c)) $(B)/libdmvpn.a
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	@$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LIBS_$(1)) $$(LIBS_COMMON)
$(BIN)/$(1): $(B)/bin/$(1) $(O)/.mode
	@mkdir -p $$(@D)
	@cp -f $$< $$@.new && mv -f $$@.new $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# The orchestrator is one script, made of its parts.
DMVPN_SH := $(patsubst %,cmd/dmvpn/%.sh,dmvpn words parse apply supervise fetch status \
	check join main)
$(BIN)/dmvpn: $(DMVPN_SH)
	@mkdir -p $(@D)
	@cat $^ >$@.new && chmod 755 $@.new && mv -f $@.new $@

# build/bin follows the mode that was built last.
$(O)/.mode: FORCE
	@mkdir -p $(@D)
	@[ "$$(cat $@ 2>/dev/null)" = "$(MODE)" ] || echo "$(MODE)" >$@
.PHONY: FORCE
FORCE:

$(B)/libdmvpn.a: $(LIB_OBJ)
	@rm -f $@
	@$(AR) rcs $@ $^
$(B)/libengines.a: $(ENGINE_OBJ)
	@rm -f $@
	@$(AR) rcs $@ $^

# The C side of the contract is made from the CDDL.
CDDL := lib/msg/dmvpn.cddl
$(B)/gen/msg/types.h $(B)/gen/msg/types.c: $(B)/gen/msg/types.%: $(CDDL) lib/msg/cddl.awk
	@mkdir -p $(@D)
	@awk -v part=$* -f lib/msg/cddl.awk $(CDDL) $(CDDL) >$@.new
	@mv $@.new $@
$(B)/gen/msg/types.o: $(B)/gen/msg/types.c $(B)/gen/msg/types.h
	@echo "  CC      $<"
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.o: %.c | $(B)/gen/msg/types.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# LIBEXECDIR is compiled into these; another PREFIX makes them anew.
$(patsubst %.c,$(B)/%.o,$(shell grep -l LIBEXECDIR lib/*/*.c cmd/*/*.c)): $(B)/.libexecdir
$(B)/.libexecdir: FORCE
	@mkdir -p $(@D)
	@[ "$$(cat $@ 2>/dev/null)" = "$(LIBEXECDIR)" ] || \
		echo "$(LIBEXECDIR)" >$@

# Tests named *_alloc_test let the n-th allocation fail.
$(B)/tests/%_alloc_test: TEST_LDFLAGS := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
$(B)/tests/%: tests/unit/%.c $(B)/libengines.a $(B)/libdmvpn.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(ALL_CFLAGS) -iquote cmd -iquote tests/unit -MMD -MP -MF $(B)/tests/$*.d $(ALL_LDFLAGS) $(TEST_LDFLAGS) -o $@ $< \
		$(B)/libengines.a $(B)/libdmvpn.a -lcmocka -lpcap -lsqlite3 \
		-lssl -lcares $(LIBS_COMMON) -ldl
$(B)/bench/%: tests/bench/%.c $(B)/libengines.a $(B)/libdmvpn.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(ALL_CFLAGS) -iquote cmd -iquote tests/unit -MMD -MP -MF $(B)/bench/$*.d $(ALL_LDFLAGS) -o $@ $< \
		$(B)/libengines.a $(B)/libdmvpn.a -lcmocka -lpcap -lsqlite3 \
		-lssl -lcares $(LIBS_COMMON) -ldl
$(B)/fuzz/%: tests/fuzz/%.c $(B)/libengines.a $(B)/libdmvpn.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(ALL_CFLAGS) -iquote cmd -MMD -MP -MF $(B)/fuzz/$*.d $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $< \
		$(B)/libengines.a $(B)/libdmvpn.a -lpcap -lsqlite3 -lssl \
		-lcares $(LIBS_COMMON) -ldl

.PHONY: unit asan fuzz fuzz-build
# What tests of the network run: a checker of every octet, a flood.
TOOLS := $(B)/bench/soak $(B)/bench/flood
unit: $(UNIT) $(TOOLS)
asan:
	$(MAKE) MODE=asan all unit
fuzz-build: $(FUZZ)
# Each target for a while; a crash is left in the current directory.
FUZZ_SECONDS ?= 10
fuzz:
	$(MAKE) MODE=fuzz fuzz-build
	@for f in $(FUZZ:$(B)/fuzz/%=%); do \
		echo "  FUZZ    $$f"; mkdir -p tests/fuzz/corpus/$${f#fuzz_} \
		    $(O)/found/$$f; \
		$(O)/fuzz/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) \
		    -print_final_stats=1 -max_len=16384 $(O)/found/$$f \
		    tests/fuzz/corpus/$${f#fuzz_} >$(O)/$$f.log 2>&1 || \
		    { tail -n 40 $(O)/$$f.log; exit 1; }; \
		grep 'number_of_executed' $(O)/$$f.log; \
	done

# Whatever is missing is installed; then everything is built and tested.
# TESTS="tests/cmd/nhrp.bats ...": only these.
NPROC := $(shell nproc 2>/dev/null || echo 2)
.PHONY: deps check check-asan check-run
deps:
	@tests/deps
check: deps
	@$(MAKE) --no-print-directory check-run
check-asan: deps
	@$(MAKE) --no-print-directory MODE=asan check-run
check-run:
	@mkdir -p $(O)
	@{ $(MAKE) --no-print-directory -j$(NPROC) all unit $(B)/bench/spoke_load && \
	    $(MAKE) --no-print-directory -j$(NPROC) MODE=fuzz fuzz-build; \
	    echo $$? >$(O)/build.status; } 2>&1 | tee $(O)/build.log
	@exit $$(cat $(O)/build.status)
	@O=$(O) MODE=$(MODE) tests/run $(TESTS)

# Installs what is missing, builds, shows.  KEEP=1 leaves it running.
.PHONY: demo
demo: deps
	@$(MAKE) --no-print-directory -j$(NPROC) all
	@B=$(BIN) KEEP=$(KEEP) tests/demo/demo.sh

# For another machine, its unit tests under qemu-user; says what is missing.
CROSS ?= aarch64-linux-gnu
.PHONY: check-cross
check-cross:
	@O=$(O) tests/cross $(CROSS)

# The CA is killed at each system call, and each write of it fails: minutes.
.PHONY: crash
crash: $(BIN)/dmvpn-pki
	@B=$(BIN) tests/crash/pki.sh 1

# Speed beside that of others: QUICK=1 takes under two minutes.
.PHONY: bench bench-hub
bench: $(BIN)/dmvpn-gre $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))
	@B=$(BIN) D=$(B)/bench OUT=$(O)/bench QUICK=$(QUICK) tests/bench/bench
# A hub with 10,000 spokes (QUICK=1: 1,000), beside strongSwan.
bench-hub: all $(B)/bench/spoke_load
	@B=$(BIN) D=$(B)/bench OUT=$(O)/bench QUICK=$(QUICK) tests/bench/hub

# Every octet compared, for minutes, while keys and paths change; and the
# replay window against its model, ten times as long as in check.
SOAK_SECONDS ?= 150
.PHONY: soak
soak: $(BIN)/dmvpn-gre $(BIN)/dmvpn-ike $(BIN)/dmvpn-pki $(TOOLS) $(B)/tests/replay_test
	@REPLAY_TIMES=10 $(B)/tests/replay_test
	@B=$(BIN) O=$(O) MODE=$(MODE) SOAK_SECONDS=$(SOAK_SECONDS) bats tests/net/soak.bats

# Instructions a packet, against tests/bench/baseline.
.PHONY: bench-check
bench-check: $(B)/bench/path_bench
	@D=$(B)/bench UPDATE=$(UPDATE) tests/bench/check

# Both compilers, all warnings, nothing kept.
CHECKED := $(wildcard lib/*/*.c cmd/*/*.c tests/unit/*.c tests/fuzz/*.c)
.PHONY: warnings
warnings: $(B)/gen/msg/types.h $(B)/gen/msg/types.c
	@for cc in gcc clang; do \
		echo "  WARN    $$cc"; \
		printf '%s\n' $(CHECKED) $(B)/gen/msg/types.c | \
		xargs -P $(NPROC) -n 8 $$cc $(ALL_CFLAGS) -Werror -fsyntax-only \
		    -iquote cmd -iquote tests/unit || failed=yes; \
	done; [ -z "$$failed" ]

# Programs that a program runs, not a person.
INNER := dmvpn-decode
MANDIR := $(DESTDIR)$(PREFIX)/share/man
DATADIR := $(DESTDIR)$(PREFIX)/share
MAN := $(wildcard man/*.[1-8])
BASH_COMPLETIONS := $(wildcard completions/*.bash)
ZSH_COMPLETIONS := $(wildcard completions/_*)
OUTER := $(filter-out $(INNER),$(PROGRAMS)) $(if $(wildcard cmd/dmvpn/dmvpn.sh),dmvpn)
.PHONY: install uninstall
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBEXECDIR) $(DATADIR)/dmvpn
	install -m 755 $(OUTER:%=$(BIN)/%) $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(patsubst %,$(BIN)/%,$(filter $(INNER),$(PROGRAMS))) \
		$(DESTDIR)$(LIBEXECDIR)
	install -m 644 $(CDDL) $(DATADIR)/dmvpn
	for m in $(MAN); do d=$(MANDIR)/man$${m##*.}; \
		install -d $$d && install -m 644 $$m $$d || exit 1; done
	for f in $(BASH_COMPLETIONS); do \
		d=$(DATADIR)/bash-completion/completions; n=$${f##*/}; \
		install -d $$d && install -m 644 $$f $$d/$${n%.bash} || exit 1; done
	for f in $(ZSH_COMPLETIONS); do d=$(DATADIR)/zsh/site-functions; \
		install -d $$d && install -m 644 $$f $$d || exit 1; done
uninstall:
	rm -f $(OUTER:%=$(DESTDIR)$(PREFIX)/bin/%)
	rm -rf $(DESTDIR)$(LIBEXECDIR) $(DATADIR)/dmvpn
	for m in $(MAN); do rm -f $(MANDIR)/man$${m##*.}/$${m##*/}; done
	for f in $(BASH_COMPLETIONS); do n=$${f##*/}; \
		rm -f $(DATADIR)/bash-completion/completions/$${n%.bash}; done
	for f in $(ZSH_COMPLETIONS); do \
		rm -f $(DATADIR)/zsh/site-functions/$${f##*/}; done

.PHONY: clean
clean:
	rm -rf $(O)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
