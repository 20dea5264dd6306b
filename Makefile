# SPDX-License-Identifier: GPL-2.0-or-later
#
# make help says what there is.

BUILD := $(CURDIR)/build
KERNEL ?= 6.1

# The kernel that `make` builds the module for: the named one, or the running
# one.  A build machine often runs a kernel that it has no headers of; then the
# newest that it has.
ifeq ($(origin KDIR),undefined)
ifeq ($(origin KVER),undefined)
KVER := $(shell uname -r)
ifeq ($(wildcard /lib/modules/$(KVER)/build/Makefile),)
KVER := $(lastword $(shell ls -d /lib/modules/*/build/Makefile 2>/dev/null | \
	cut -d/ -f4 | sort -V))
FALLBACK := 1
endif
endif
KDIR := $(if $(KVER),/lib/modules/$(KVER)/build)
else
KVER ?= $(shell cat $(KDIR)/include/config/kernel.release 2>/dev/null)
endif

all: module userspace

help:
	@echo 'make                build the module for the running kernel, and the userspace'
	@echo '     KVER=6.1.0-1   ... for a kernel in /lib/modules'
	@echo '     KDIR=/usr/src  ... for a kernel built there'
	@echo 'make module         build only the module'
	@echo 'make userspace      build only cygnet and cygnetd'
	@echo 'make install        install all of it; DESTDIR= and PREFIX= are honoured'
	@echo
	@echo 'make demo           two gateways in one VM negotiate and carry traffic'
	@echo 'make check          every test'
	@echo 'make check-unit     the userspace, in one process, under ASan and UBSan'
	@echo 'make check-ike      the daemon against strongSwan, in network namespaces'
	@echo 'make check-vm       the module in a VM with Debian'\''s KERNEL=6.1, 6.12, 7.2'
	@echo 'make check-debug    the same tests in a kernel with KASAN, lockdep, kmemleak'
	@echo '     T=replay       ... only the tests of that name'
	@echo 'make check-build    does the module build for 6.1, 6.12, 7.2, PREEMPT_RT, arm64?'
	@echo 'make check-kernels  check-build, and the datapath in VMs with 6.12 and 7.2'
	@echo 'make check-matrix   every algorithm on every road, and with every peer, which takes long'
	@echo 'make check-openssl35 the unit tests with Debian 13'\''s OpenSSL, which has ML-KEM'
	@echo 'make soak           half an hour of losses, rekeys, rebinding NATs and dying daemons'
	@echo '     MINUTES=5      ... not so long'
	@echo 'make bench          what a packet costs, beside WireGuard and xfrm; see selftests/bench'
	@echo '     ROW=tcp-h2h    ... only that row'
	@echo 'make lint           checkpatch, sparse, shellcheck, flake8; generated files'
	@echo
	@echo 'make clean          remove build/'
	@echo 'make clean-cache    remove the kernels that the tests fetched and built'

# build_module KERNEL-FOLDER,RELEASE,ARGUMENTS,PREFIX: the module, in a folder of
# its own that links to the sources, so that several kernels can stand side by
# side; PREFIX is what make runs in.
define build_module
	@mkdir -p $(BUILD)/kmod-$(2)
	@find $(BUILD)/kmod-$(2) -xtype l -delete
	@find Kbuild kmod include -name '*.[ch]' ! -name '*.mod.c' -o -name Kbuild | \
		while read -r file; do \
			to=$(BUILD)/kmod-$(2)/$$file; \
			[ -e "$$to" ] || { mkdir -p "$${to%/*}"; ln -s "$(CURDIR)/$$file" "$$to"; }; \
		done
	+$(4) $(MAKE) -C $(1) M=$(BUILD)/kmod-$(2) W=1 KCFLAGS=-Werror $(3) modules
endef

# build_late KERNEL-FOLDER,RELEASE,ARGUMENTS: slow cryptography, for the tests
define build_late
	@mkdir -p $(BUILD)/late-$(2)
	@cp -u selftests/debug/late/* $(BUILD)/late-$(2)
	+$(4) $(MAKE) -C $(1) M=$(BUILD)/late-$(2) W=1 KCFLAGS=-Werror $(3) modules
endef

module:
ifeq ($(KVER),)
	@echo 'make: no kernel headers here, so no module: install linux-headers-amd64, or'
	@echo '      name a kernel with KDIR='
else
ifdef FALLBACK
	@echo 'make: no headers for the running kernel $(shell uname -r); the module is for $(KVER)'
endif
	@[ -e $(KDIR)/Makefile ] || { echo 'make: no kernel headers in $(KDIR)'; exit 1; }
	$(call build_module,$(KDIR),$(KVER))
endif

# A step of its own: what a recipe asks the shell is asked before its first line runs.
setup-vm setup-debug: setup-%:
	@$(CURDIR)/selftests/setup build $*

module-vm: setup-vm
	$(eval ENTRY := $(shell $(CURDIR)/selftests/cache kernel $(KERNEL)))
	$(if $(ENTRY),,$(error no kernel $(KERNEL) to build for))
	$(call build_module,$(ENTRY)/build,$(shell cat $(ENTRY)/kver),,$\
		$(CURDIR)/selftests/inside $(ENTRY))
	$(call build_late,$(ENTRY)/build,$(shell cat $(ENTRY)/kver),,$\
		$(CURDIR)/selftests/inside $(ENTRY))

module-debug: setup-debug
	$(eval ENTRY := $(shell $(CURDIR)/selftests/cache uml))
	$(if $(ENTRY),,$(error no debug kernel to build for))
	$(call build_module,$(ENTRY)/build,$(shell cat $(ENTRY)/kver),ARCH=um)
	$(call build_late,$(ENTRY)/build,$(shell cat $(ENTRY)/kver),ARCH=um)

userspace:
	+$(MAKE) -C userspace

# Not by the kernel's modules_install: headers have neither the key that it
# would sign with nor the System.map that it would run depmod with.
install: all
ifneq ($(KVER),)
	install -D -m 644 $(BUILD)/kmod-$(KVER)/kmod/cygnet.ko \
		$(DESTDIR)/lib/modules/$(KVER)/updates/cygnet.ko
	strip --strip-debug $(DESTDIR)/lib/modules/$(KVER)/updates/cygnet.ko
	$(if $(DESTDIR),,PATH="$$PATH:/usr/sbin:/sbin" depmod $(KVER))
endif
	+$(MAKE) -C userspace install

check:
	@selftests/check lint unit ike vm debug

check-unit check-ike check-vm check-debug check-build: check-%:
	@selftests/check $*

check-openssl35:
	@selftests/openssl35 $(if $(T),T=$(T))

check-kernels:
	@selftests/check build vm-6.12 vm-7.2

check-matrix:
	@MATRIX=1 T='test_alg or test_ah or test_transport or test_hosts or test_pmtu' selftests/check vm
	@MATRIX=1 T='test_matrix' selftests/check ike

soak: MINUTES ?= 30
soak:
	@selftests/setup vm
	@$(MAKE) -s userspace module-vm
	@selftests/vm/run -t $$((60 * $(MINUTES) + 900)) selftests/vm/soak $(MINUTES)

demo:
	@selftests/demo

bench:
	$(MAKE) -C selftests/bench

lint:
	@selftests/lint

clean:
	rm -rf $(BUILD)

clean-cache:
	selftests/cache clean

.PHONY: all help module setup-vm setup-debug module-vm module-debug userspace \
	install check check-unit check-ike check-vm check-debug check-matrix check-build \
	check-openssl35 check-kernels soak demo bench lint clean clean-cache
