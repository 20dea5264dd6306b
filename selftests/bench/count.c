// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin for QEMU's TCG that counts the instructions that a guest executes
 * between two markers (marker.h), block of translated code by block, so that
 * report can say which functions they belong to.
 *
 *	-plugin count.so,out=FILE
 *
 * At each stop marker FILE is written anew, one line for each processor and
 * block that it ran: processor, address (hexadecimal), instructions, and bytes
 * moved by rep movs and rep stos.
 *
 * Such an instruction counts as one however often it repeats.  QEMU translates
 * it to one block for each repetition, and with -icount to one more that finds
 * the count at zero: taking away the repetitions, seen as stores, leaves one.
 * (Without -icount there is no such last block, and they count as none.)
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "marker.h"
#include "qemu-plugin.h"
#include "types.h"

#define MAX_CPUS 8
#define TABLE_SIZE 0x40000

/*
 * A block is translated more than once, and differently long, but what matters
 * is where it begins and how many instructions it has.
 */
struct block {
	struct block *next;
	u64 address;
	u64 insns;
	struct {
		u64 runs;
		u64 repetitions;
		u64 bytes;
	} cpu[MAX_CPUS];
};

int qemu_plugin_version = 1;

static struct block *table[TABLE_SIZE];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static bool counting[MAX_CPUS];
static const char *out;

static struct block *block_get(u64 address, u64 insns)
{
	struct block **slot = &table[(address * 0x9e3779b97f4a7c15 >> 40) % TABLE_SIZE];
	struct block *block;

	pthread_mutex_lock(&table_lock);
	for (block = *slot; block; block = block->next)
		if (block->address == address && block->insns == insns)
			goto unlock;

	block = calloc(1, sizeof(*block));
	if (!block)
		abort();
	block->address = address;
	block->insns = insns;
	block->next = *slot;
	*slot = block;
unlock:
	pthread_mutex_unlock(&table_lock);
	return block;
}

static void set_counting(bool on)
{
	for (int cpu = 0; cpu < MAX_CPUS; cpu++)
		counting[cpu] = on;
}

static void start(unsigned int cpu, void *data)
{
	pthread_mutex_lock(&table_lock);
	for (size_t i = 0; i < TABLE_SIZE; i++)
		for (struct block *block = table[i]; block; block = block->next)
			memset(block->cpu, 0, sizeof(block->cpu));
	pthread_mutex_unlock(&table_lock);
	set_counting(true);
}

static void write_block(FILE *file, const struct block *block)
{
	for (int cpu = 0; cpu < MAX_CPUS; cpu++)
		if (block->cpu[cpu].runs)
			fprintf(file, "%d %llx %llu %llu\n", cpu, block->address,
				block->insns * block->cpu[cpu].runs - block->cpu[cpu].repetitions,
				block->cpu[cpu].bytes);
}

static void stop(unsigned int cpu, void *data)
{
	FILE *file;

	set_counting(false);
	file = fopen(out, "w");
	if (!file) {
		perror(out);
		exit(1);
	}
	pthread_mutex_lock(&table_lock);
	for (size_t i = 0; i < TABLE_SIZE; i++)
		for (struct block *block = table[i]; block; block = block->next)
			write_block(file, block);
	pthread_mutex_unlock(&table_lock);
	if (fclose(file)) {
		perror(out);
		exit(1);
	}
}

static void pause_cpu(unsigned int cpu, void *data)
{
	counting[cpu] = false;
}

static void resume_cpu(unsigned int cpu, void *data)
{
	counting[cpu] = true;
}

static void count_run(unsigned int cpu, void *data)
{
	struct block *block = data;

	if (counting[cpu])
		block->cpu[cpu].runs++;
}

static void count_repetition(unsigned int cpu, u32 info, u64 address, void *data)
{
	struct block *block = data;

	/* QEMU 7.2 calls for the load of a movs also, whatever was asked for. */
	if (!counting[cpu] || !qemu_plugin_mem_is_store(info))
		return;
	block->cpu[cpu].repetitions++;
	block->cpu[cpu].bytes += 1 << qemu_plugin_mem_size_shift(info);
}

static qemu_plugin_exec_cb marker_cb(const u8 *code, size_t size)
{
	u32 number;

	if (size != 7 || memcmp(code, "\x0f\x1f\x80", 3))
		return NULL;
	memcpy(&number, code + 3, sizeof(number));
	switch (number) {
	case MARKER_START:
		return start;
	case MARKER_STOP:
		return stop;
	case MARKER_PAUSE:
		return pause_cpu;
	case MARKER_RESUME:
		return resume_cpu;
	default:
		return NULL;
	}
}

/* rep movs or rep stos: perhaps with an operand size or REX prefix */
static bool is_rep(const u8 *code, size_t size)
{
	size_t i = 0;

	if (size && code[i] == 0x66)
		i++;
	if (size < i + 2 || code[i++] != 0xf3)
		return false;
	if ((code[i] & 0xf0) == 0x40)
		i++;
	if (size != i + 1)
		return false;
	return (code[i] & 0xfe) == 0xa4 || (code[i] & 0xfe) == 0xaa;
}

static void translate(u64 id, struct qemu_plugin_tb *tb)
{
	size_t insns = qemu_plugin_tb_n_insns(tb);
	struct block *block = block_get(qemu_plugin_tb_vaddr(tb), insns);

	qemu_plugin_register_vcpu_tb_exec_cb(tb, count_run, QEMU_PLUGIN_CB_NO_REGS, block);

	for (size_t i = 0; i < insns; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const u8 *code = qemu_plugin_insn_data(insn);
		size_t size = qemu_plugin_insn_size(insn);
		qemu_plugin_exec_cb cb = marker_cb(code, size);

		if (cb)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, cb, QEMU_PLUGIN_CB_NO_REGS,
							       NULL);
		if (is_rep(code, size))
			qemu_plugin_register_vcpu_mem_cb(insn, count_repetition,
							 QEMU_PLUGIN_CB_NO_REGS,
							 QEMU_PLUGIN_MEM_W, block);
	}
}

int qemu_plugin_install(u64 id, const struct qemu_plugin_info *info, int argc, char **argv)
{
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fprintf(stderr, "count: needs out=FILE\n");
		return -1;
	}
	if (!info->system_emulation || info->system.max_vcpus > MAX_CPUS) {
		fprintf(stderr, "count: counts whole machines of at most %d processors\n",
			MAX_CPUS);
		return -1;
	}
	out = strdup(argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
