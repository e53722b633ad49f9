# weir: `make` builds all of it below build/, `make help` lists the rest.
#
# A connector is connectors/NAME.c or a folder connectors/NAME/ of .c files; an
# optional build.mk in the folder sets NAME_PKGS (pkg-config names) and
# NAME_LIBS (-l flags). spec/**/*.c are test programs, spec/connectors/NAME.c
# connectors that only specs load, examples/bench/*.c programs of `weir bench`.

VERSION := 0.1.0
ABI     := $(shell sed -n 's/.*WEIR_ABI = \([0-9]*\).*/\1/p' runtime/weir.h)
PREFIX  ?= /usr/local

SAN ?=
B   := build$(if $(SAN),/$(SAN))
V   ?=
Q   := $(if $(V),,@)
say  = $(if $(V),,@echo "  $(1)	$(patsubst $(B)/%,%,$@)")

CFLAGS ?= -O2 -g
WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
          -Wwrite-strings $(if $(WERROR),-Werror)
SANFLAGS := $(if $(SAN),-fno-omit-frame-pointer \
          -fsanitize=$(SAN:address=address,undefined) \
          $(if $(filter thread,$(SAN)),,-fno-sanitize-recover=undefined))
LANGUAGE := -std=gnu11 -D_GNU_SOURCE -DWEIR_VERSION='"$(VERSION)"' -Iruntime -pthread
CC_ALL := $(CC) $(LANGUAGE) -fPIC -fvisibility=hidden -MMD -MP $(WARN) $(CFLAGS) \
          $(SANFLAGS)
LD_ALL := $(CC) -pthread $(CFLAGS) $(SANFLAGS) $(LDFLAGS)
LIBWEIR := -L$(B) -lweir

# ---- what there is to build ----

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
files_of = $(or $(wildcard connectors/$(1).c),$(wildcard connectors/$(1)/*.c))

names := $(sort $(basename $(notdir $(wildcard connectors/*.c))) \
         $(patsubst connectors/%/,%,$(dir $(wildcard connectors/*/*.c))))
-include $(wildcard connectors/*/build.mk)
lacking = $(strip $(foreach p,$($(1)_PKGS),\
          $(shell pkg-config --exists $(p) 2>/dev/null || echo $(p))))
left_out := $(strip $(foreach n,$(names),$(if $(call lacking,$(n)),$(n))))
built    := $(filter-out $(left_out),$(names))

runtime    := $(B)/libweir.so $(B)/libweir-ev.so $(B)/libweir-serve.so \
              $(B)/libweir-codec.so
connectors := $(built:%=$(B)/connectors/%.so)
doubles    := $(patsubst %.c,$(B)/%.so,$(wildcard spec/connectors/*.c))
programs   := $(patsubst %.c,$(B)/%,$(filter-out spec/connectors/% spec/fuzz/%,\
              $(sort $(wildcard spec/*.c spec/*/*.c spec/*/*/*.c))))
benches    := $(patsubst examples/%.c,$(B)/%,$(wildcard examples/bench/*.c))
fuzzers    := $(patsubst %.c,build/%,$(wildcard spec/fuzz/*.c))

all: $(runtime) $(connectors) $(B)/weir $(benches) ## build everything (default)
	$(if $(left_out),@echo "left out for want of a library: \
	    $(foreach n,$(left_out),$(n) ($(call lacking,$(n)))); see make deps")
tests: all $(programs) $(doubles) ## build what the specs run, too

# ---- how ----

$(B)/obj/%.o: %.c Makefile
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC_ALL) $(cflags) -c -o $@ $<

# nodelete: a Lua VM that closes unloads what it loaded, whoever else runs in it.
$(B)/libweir.so: $(call obj,$(filter-out runtime/loop.c,$(wildcard runtime/*.c)))
	$(call say,LD)
	$(Q)$(LD_ALL) -shared -Wl,-soname,libweir.so.$(ABI) \
	    -Wl,-z,nodelete -o $@ $^ -ldl -lm
	$(Q)ln -sf libweir.so $@.$(ABI)

$(B)/libweir-ev.so: $(call obj,$(wildcard runtime/loop.c)) | $(B)/libweir.so
	$(call say,LD)
	$(Q)$(LD_ALL) -shared -Wl,-rpath,'$$ORIGIN' -o $@ $^ $(LIBWEIR) -lev

$(B)/libweir-serve.so: $(call obj,$(wildcard runtime/serve/*.c)) | $(B)/libweir.so
	$(call say,LD)
	$(Q)$(LD_ALL) -shared -Wl,-rpath,'$$ORIGIN' -o $@ $^ $(LIBWEIR) -lssl -lcrypto

$(B)/libweir-codec.so: $(call obj,$(wildcard runtime/codec/*.c)) | $(B)/libweir.so
	$(call say,LD)
	$(Q)$(LD_ALL) -shared -Wl,-z,nodelete -Wl,-rpath,'$$ORIGIN' -o $@ $^ $(LIBWEIR) \
	    -lzstd -llz4 -lxxhash -lcrypto

define connector_rule
$(call obj,$(call files_of,$(1))): cflags = $(if $($(1)_PKGS),\
  $(shell pkg-config --cflags $($(1)_PKGS)))
$(B)/connectors/$(1).so: libs = $(if $($(1)_PKGS),\
  $(shell pkg-config --libs $($(1)_PKGS))) $($(1)_LIBS)
$(B)/connectors/$(1).so: $(call obj,$(call files_of,$(1)))
endef
$(foreach n,$(built),$(eval $(call connector_rule,$(n))))

$(doubles): $(B)/%.so: $(B)/obj/%.o
$(connectors) $(doubles): | $(B)/libweir.so
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(LD_ALL) -shared -Wl,-rpath,'$$ORIGIN/..:$$ORIGIN/../..' -o $@ \
	    $(filter %.o,$^) $(LIBWEIR) $(libs) -lm

$(programs): $(B)/%: $(B)/obj/%.o
$(benches): $(B)/%: $(B)/obj/examples/%.o
$(benches): libs = $(if $($(@F)_PKGS),$(shell pkg-config --libs $($(@F)_PKGS)))
$(programs) $(benches): | $(B)/libweir.so
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(LD_ALL) -Wl,-rpath,'$$ORIGIN/..:$$ORIGIN/../..:$$ORIGIN/../../..' \
	    -o $@ $(filter %.o,$^) $(LIBWEIR) $(libs) -ldl -lm

$(B)/spec/codec/%: libs = -lweir-codec
$(filter $(B)/spec/codec/%,$(programs)): | $(B)/libweir-codec.so
$(B)/spec/lmdb/%: libs = -llmdb
$(B)/spec/serve/%: libs = -lweir-serve -lhiredis
$(filter $(B)/spec/serve/%,$(programs)): | $(B)/libweir-serve.so

$(B)/weir: lua/weir/app/cli/command
	$(call say,GEN)
	$(Q)mkdir -p $(@D)
	$(Q)sed 's|@LUA@|$(if $(SAN),../../lua,../lua)|' $< > $@
	$(Q)chmod +x $@

build/spec/fuzz/%: spec/fuzz/%.c $(B)/libweir.so
	$(call say,FUZZ)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(LANGUAGE) -g -O1 -MMD -MP \
	    -fsanitize=fuzzer,address,undefined -Wl,-rpath,'$$ORIGIN/../..' \
	    -o $@ $< $(LIBWEIR) $(shell pkg-config --libs hiredis libxxhash libzstd \
	    liblz4 libcrypto)

-include $(shell find build -name '*.d' 2>/dev/null)
.SECONDARY:
.PHONY: all tests deps demo test test-clients soak bench sanitize fuzz lint generate stage \
        install uninstall install-python uninstall-python clean help

# ---- what people type ----

RUNS  := gcc make pkg-config libc6-dev luajit2 libev-dev libxxhash-dev lua-argparse \
         lua-cjson libluajit2-5.1-dev libhiredis-dev libssl-dev libzstd-dev liblz4-dev \
         liburing-dev libedit-dev liblmdb-dev
TESTS := lua-busted lua-check clang clang-format libclang-rt-14-dev redis-server \
         redis-tools python3-redis python3-numpy nginx libnginx-mod-http-lua \
         lua-nginx-redis lua-luv wrk tmux strace curl locales zstd
SUBMAKE = $(MAKE) -s --no-print-directory \
    $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
SPECS = WEIR_BUILD=$(B) .ci/specs

deps: ## install what is missing, from Debian's packages
	$(Q).ci/deps $(RUNS) $(TESTS)

demo: ## show a KV cache at work (TRACE=file.jsonl, ARGS=--help)
	$(Q).ci/deps $(RUNS)
	+$(Q)$(SUBMAKE) all
	$(Q)$(B)/weir run examples/kvcache.lua $(if $(TRACE),--trace '$(TRACE)') $(ARGS)

test: ## run the specs (ONLY=spec/policy runs a part)
	$(Q).ci/deps $(RUNS) $(TESTS)
	+$(Q)$(SUBMAKE) tests
	$(Q)$(SPECS) $(ONLY)

# npm fetches the clients: they are no part of make test.
test-clients: all ## drive Redis clients of node against weir serve (fetches them by npm)
	$(Q)command -v npm >/dev/null || .ci/deps nodejs npm
	$(Q)mkdir -p build/clients && cp spec/clients/* build/clients
	$(Q)cd build/clients && npm install --ignore-scripts --no-audit --no-fund
	$(Q)cd build/clients && node run.mjs $(abspath $(B))/weir

soak: tests ## run what is random or racy for longer (WEIR_SOAK=seconds)
	$(Q)WEIR_SOAK=$(or $(WEIR_SOAK),600) $(SPECS) $(ONLY)

bench: all ## measure, each figure beside its reference (NAME=core)
	$(Q)$(B)/weir bench $(NAME)

# The address sanitizer can be loaded before LuaJIT, the thread sanitizer cannot.
under_address = LD_PRELOAD=$(shell $(CC) -print-file-name=libasan.so) \
    ASAN_OPTIONS=detect_leaks=0 WEIR_BUILD=build/address \
    WEIR_LIB=$(CURDIR)/build/address/libweir.so
sanitize: ## run specs under ASan and UBSan, C programs under TSan (SHORT=1: those)
	+$(Q)$(SUBMAKE) SAN=address tests
	+$(Q)$(SUBMAKE) SAN=thread tests
	$(Q)failed=; \
	$(under_address) .ci/specs $(if $(SHORT),spec/programs_spec.lua) \
	    -- --exclude-tags=unsanitized & address=$$!; \
	WEIR_BUILD=build/thread .ci/specs spec/programs_spec.lua || failed=1; \
	wait $$address || failed=1; \
	test -z "$$failed"

fuzz: $(fuzzers) ## run the fuzzers (FUZZ=seconds each)
	$(Q)printf '%s\n' $(fuzzers) | xargs -P $(shell nproc) -I{} sh -c ' \
	    mkdir -p {}.corpus && \
	    {} -max_total_time=$(or $(FUZZ),60) $(if $(V),,-verbosity=0) \
	    -artifact_prefix={}. {}.corpus >{}.log 2>&1 && echo "{}: nothing found" || \
	    { cat {}.log; exit 1; }'

c_files = $(shell find runtime connectors examples spec -name '*.[ch]')
lint: ## check layout, style and what clang warns of (gcc: make WERROR=1)
	$(Q)clang-format --dry-run -Werror $(c_files)
	$(Q)clang $(LANGUAGE) $(WARN) -Werror -fsyntax-only \
	    $(shell pkg-config --cflags $(foreach n,$(built),$($(n)_PKGS))) \
	    $(filter %.c,$(c_files))
	$(Q)luacheck -q lua examples spec lua/weir/app/cli/command
	$(Q).ci/circles

generate: all ## rewrite what is made from the tables of words and options
	$(Q).ci/generate

# What install puts below PREFIX is gathered in a folder first. .ci/put copies it and
# keeps the list of files, which uninstall removes.
S := build/stage
D = $(DESTDIR)$(PREFIX)
stage: all
	rm -rf $(S)
	install -d $(S)/bin $(S)/lib/pkgconfig $(S)/lib/weir/connectors $(S)/lib/weir/bench \
	    $(S)/include/weir
	install -m 755 $(B)/libweir.so $(S)/lib/libweir.so.$(VERSION)
	ln -sf libweir.so.$(VERSION) $(S)/lib/libweir.so.$(ABI)
	ln -sf libweir.so.$(ABI) $(S)/lib/libweir.so
	install -m 755 $(filter-out %/libweir.so,$(runtime)) $(S)/lib
	install -m 755 $(connectors) $(S)/lib/weir/connectors
	install -m 755 $(benches) $(S)/lib/weir/bench
	install -m 644 runtime/weir.h $(S)/include
	install -m 644 runtime/connector.h $(wildcard runtime/loop.h) \
	    runtime/serve/serve.h runtime/codec/codec.h $(S)/include/weir
	cd lua && find weir -name '*.lua' -exec install -Dm 644 {} ../$(S)/share/lua/5.1/{} \;
	sed 's|@LUA@|../share/lua/5.1|' lua/weir/app/cli/command > $(S)/bin/weir
	chmod 755 $(S)/bin/weir
	install -d $(S)/share/man/man1 $(S)/share/bash-completion/completions \
	    $(S)/share/zsh/site-functions
	$(B)/weir manual > $(S)/share/man/man1/weir.1
	$(B)/weir completion bash > $(S)/share/bash-completion/completions/weir
	$(B)/weir completion zsh > $(S)/share/zsh/site-functions/_weir
	printf '%s\n' 'prefix=$(PREFIX)' 'connectordir=$${prefix}/lib/weir/connectors' '' \
	    'Name: weir' 'Description: connector runtime' 'Version: $(VERSION)' \
	    'Cflags: -I$${prefix}/include -I$${prefix}/include/weir' \
	    'Libs: -L$${prefix}/lib -lweir' > $(S)/lib/pkgconfig/weir.pc
	for f in README.md LICENSE lua/README.md \
	    $$(find examples -name __pycache__ -prune -o -type f -print); do \
	    install -Dm $$(test -x $$f && echo 755 || echo 644) $$f $(S)/share/doc/weir/$$f; \
	done

install: stage ## install below PREFIX (default /usr/local; DESTDIR for packages)
	.ci/put $(S) $(D)
	rm -rf $(S) $(S).list
	$(if $(DESTDIR),,@.ci/ldcache $(PREFIX)/lib libweir.so.$(ABI))

uninstall: ## remove what install put below PREFIX
	.ci/take $(D)
	$(if $(DESTDIR),,@.ci/ldcache)

# The Python modules have a list of their own.
PYTHON ?= python3
P := build/stage-python
python_list   := lib/weir/installed-python
python_folder  = $(shell $(PYTHON) .ci/python_folder $(PREFIX))
install-python: ## install the Python modules below PREFIX, for PYTHON (python3)
	rm -rf $(P)
	install -d $(P)/lib/weir
	cd examples/python && for f in $$(find . -path './weir/*.py' -o -name 'weir_*.py'); \
	    do install -Dm 644 $$f ../../$(P)/$(python_folder)/$$f; done
	.ci/put $(P) $(D) $(python_list)
	rm -rf $(P) $(P).list
	@$(PYTHON) .ci/python_folder $(PREFIX) --advice

uninstall-python: ## remove what install-python put below PREFIX
	.ci/take $(D) $(python_list)

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | expand -t 18
