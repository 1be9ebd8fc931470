#include <elf.h>
#include <stdio.h>

#include "fixture.h"
#include "place.h"

#define ALL SIZE_MAX

static struct ma_place place;

/* What the list of mappings is, and in which steps it is read. */
static void maps(const char *text, size_t step)
{
	os_fake_set_maps(text, step);
}

static void assert_place(uintptr_t addr, const char *path, uint64_t offset)
{
	assert_true(ma_place_find(&place, addr));
	assert_true(place.known);
	assert_true(place.mapped);
	assert_string_equal(place.path, path);
	assert_int_equal(place.offset, offset);
	assert_int_equal(os_fake_nopen(), 0);
}

static void assert_nowhere(uintptr_t addr)
{
	assert_false(ma_place_find(&place, addr));
	assert_false(place.mapped);
	assert_string_equal(place.path, "");
	assert_int_equal(os_fake_nopen(), 0);
}

static void assert_described(uintptr_t addr, const char *expected)
{
	char buf[1024];
	struct ma_text text;

	ma_text_init(&text, buf, sizeof(buf) - 1, -1);
	ma_place_describe(&text, addr);
	assert_string_equal(ma_text_end(&text), expected);
}

/* Two modules whose first pages are not mapped readable, and what else there is. */
static const char sample[] =
	"00010000-00012000 ---p 00000000 fd:01 1000                       /usr/bin/foo\n"
	"00012000-00013000 r-xp 00002000 fd:01 1000                       /usr/bin/foo\n"
	"00013000-00015000 rw-p 00003000 fd:01 1000                       /usr/bin/foo\n"
	"00015000-00016000 rw-p 00000000 00:00 0 \n"
	"00020000-00030000 rw-p 00000000 00:00 0                          [heap]\n"
	"7f0000000000-7f0000001000 r--s 00001000 fd:01 1001               /a path/with blanks\n"
	"7f0000001000-7f0000002000 --xp 00000000 00:00 0\n"
	"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                  [stack]\n"
	"7ffc00030000-7ffc00034000 r--p 00000000 00:00 0                  [vvar]\n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0          [vsyscall]\n";

static void test_the_mapping_that_holds_an_address(void **state)
{
	(void)state;
	for (size_t step = 1; step < 400; step += 37) {
		maps(sample, step);
		assert_place(0x12000, "/usr/bin/foo", 0x2000);
		assert_place(0x12fff, "/usr/bin/foo", 0x2fff);
		assert_place(0x13000, "/usr/bin/foo", 0x3000);
		assert_place(0x2ffff, "[heap]", 0);
		assert_place(0x7f0000000123, "/a path/with blanks", 0x1123);
		assert_place(0x7f0000001000, "", 0);
		assert_place(0xffffffffff600000, "[vsyscall]", 0);
	}
}

static void test_what_a_mapping_allows(void **state)
{
	(void)state;
	maps(sample, ALL);
	assert_place(0x10000, "/usr/bin/foo", 0);
	assert_false(place.readable || place.writable || place.executable);
	assert_true(place.module);
	assert_int_equal(place.start, 0x10000);
	assert_int_equal(place.end, 0x12000);
	assert_place(0x12000, "/usr/bin/foo", 0x2000);
	assert_true(place.readable && !place.writable && place.executable);
	assert_place(0x13000, "/usr/bin/foo", 0x3000);
	assert_true(place.readable && place.writable && !place.executable);
	assert_place(0x20000, "[heap]", 0);
	assert_false(place.module);
}

static void test_addresses_in_no_mapping(void **state)
{
	(void)state;
	maps(sample, ALL);
	assert_nowhere(0);
	assert_nowhere(0xffff);
	assert_nowhere(0x16000);
	assert_nowhere(0x30000);
	assert_nowhere(UINTPTR_MAX);
	assert_true(place.known);
}

static void test_no_list_at_all(void **state)
{
	(void)state;
	maps(NULL, ALL);
	assert_nowhere(0x12000);
	assert_false(place.known);
	assert_described(0x12000, "");
	maps("", ALL);
	assert_nowhere(0x12000);
	assert_false(place.known);
}

/* Y1: each line for itself, and the sound line behind them */
static void test_malformed_lines_are_skipped(void **state)
{
	static const char *const lines[] = {
		"\n",
		" \n",
		"nonsense\n",
		"1000\n",
		"1000-\n",
		"1000-3000\n",
		"1000-3000 \n",
		"1000-3000 rwxp\n",
		"1000-3000 rwxp 0\n",
		"1000-3000 rwxp 0 00:00\n",
		"1000-3000 rwxp 0 00:00 \n",
		"1000-3000 rwxp 0 00 0\n",
		"1000-3000 rwxp 0 00:00 0x\n",
		"1000-3000 rwxp 0 :00 0\n",
		"1000-3000 rwx- 0 00:00 0\n",
		"1000-3000 wrxp 0 00:00 0\n",
		"1000-3000 rwxp  0 00:00 0\n",
		"1000-3000-4000 rwxp 0 00:00 0\n",
		"3000-1000 rwxp 0 00:00 0\n",
		"1000-1000 rwxp 0 00:00 0\n",
		"-3000 rwxp 0 00:00 0\n",
		"1000-10000000000003000 rwxp 0 00:00 0\n",
		"1000-3000 rwxp 10000000000000000 00:00 0\n",
		"1000-3000 rwxp 0 00:00 18446744073709551616\n",
		"1000-3000 RWXP 0 00:00 0\n",
		" 1000-3000 rwxp 0 00:00 0\n",
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		(void)snprintf(text, sizeof(text), "%s5000-6000 rwxp 0 00:00 0 good\n", lines[i]);
		maps(text, ALL);
		assert_nowhere(0x1000);
		assert_nowhere(0x2000);
		assert_place(0x5000, "good", 0);
	}
	maps("1000-3000 rwxp 0 00:00 0\n", ALL);
	assert_place(0x2000, "", 0);
	maps("1000-ffffffffffffffff rwxp 0 00:00 18446744073709551615\n", ALL);
	assert_place(UINTPTR_MAX - 1, "", 0);
}

/* Y1 */
static void test_a_line_without_an_end_is_not_used(void **state)
{
	char text[] = "1000-3000 -wxp 0 00:00 7 /lib/foo\n";

	(void)state;
	maps(text, ALL);
	assert_place(0x1000, "/lib/foo", 0);
	for (size_t n = strlen(text) - 1; n > 0; n--) {
		text[n] = '\0';
		maps(text, ALL);
		assert_nowhere(0x1000);
	}
}

static void test_long_paths_are_cut(void **state)
{
	static char text[8192];
	char longest[MA_PLACE_PATH + 64];
	int n = snprintf(text, sizeof(text), "1000-2000 -w-p 0 08:01 7 ");

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	for (size_t len = MA_PLACE_PATH - 3; len < MA_PLACE_PATH + 3; len++) {
		(void)snprintf(text + n, sizeof(text) - (size_t)n,
			       "%.*s\n3000-4000 --xp 0 08:01 8 /b\n", (int)len, longest);
		maps(text, 100);
		assert_true(ma_place_find(&place, 0x1000));
		assert_int_equal(strlen(place.path), ma_min(len, MA_PLACE_PATH - 1));
		assert_int_equal(strstr(place.path, "...") != NULL, len >= MA_PLACE_PATH);
		assert_place(0x3000, "/b", 0);
	}
	memset(text + n, 'y', 4096);
	(void)strcpy(text + n + 4096, "\n3000-4000 --xp 0 08:01 8 /b\n");
	assert_place(0x3000, "/b", 0);
}

/* ---- modules --------------------------------------------------------------------------------- */

#define PAGE 4096

/* An ELF file as the loader has it: three pages of it mapped, and one of .bss. */
static struct {
	alignas(PAGE) struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr[4];
	} head;
	alignas(PAGE) char text[PAGE];
	alignas(PAGE) char data[PAGE];
	alignas(PAGE) char bss[PAGE];
} elf;

#define BASE 0x400000u /* where it wants to be */

/* [ head ][ text ][ data, of which the last bytes are .bss ][ .bss ], one page each */
static void make_elf(void)
{
	const Elf64_Phdr phdr[] = {
		{.p_type = PT_NOTE, .p_vaddr = BASE, .p_memsz = 8 * PAGE},
		{.p_type = PT_LOAD, .p_vaddr = BASE, .p_filesz = 1000, .p_memsz = 1000},
		{.p_type = PT_LOAD,
		 .p_offset = PAGE,
		 .p_vaddr = BASE + PAGE,
		 .p_filesz = PAGE,
		 .p_memsz = PAGE},
		/* Its place in the file is not where it is in memory, as linkers have it. */
		{.p_type = PT_LOAD,
		 .p_offset = 5 * PAGE + 0x10,
		 .p_vaddr = BASE + 2 * PAGE + 0x10,
		 .p_filesz = 0x800,
		 .p_memsz = 2 * PAGE - 0x800},
	};

	memset(&elf, 0, sizeof(elf));
	memcpy(elf.head.ehdr.e_ident, ELFMAG, SELFMAG);
	elf.head.ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	elf.head.ehdr.e_phoff = sizeof(Elf64_Ehdr);
	elf.head.ehdr.e_phentsize = sizeof(Elf64_Phdr);
	elf.head.ehdr.e_phnum = 4;
	memcpy(elf.head.phdr, phdr, sizeof(phdr));
}

/* The list with the module in it; @head: the flags of its first mapping. */
static void map_elf(const char *head)
{
	static char text[1024];
	uintptr_t base = (uintptr_t)&elf;

	(void)snprintf(text, sizeof(text),
		       "%lx-%lx %s 00000000 fd:01 9 /lib/elf\n"
		       "%lx-%lx r-xp 00001000 fd:01 9 /lib/elf\n"
		       "%lx-%lx rw-p 00005000 fd:01 9 /lib/elf\n"
		       "%lx-%lx rw-p 00000000 00:00 0\n",
		       base, base + PAGE, head, base + PAGE, base + 2 * PAGE, base + 2 * PAGE,
		       base + 3 * PAGE, base + 3 * PAGE, base + 4 * PAGE);
	maps(text, 64);
}

static int make_and_map(void **state)
{
	(void)fixture_reset(state);
	make_elf();
	map_elf("r--p");
	return 0;
}

/* Y2 */
static void test_the_offset_is_the_address_in_the_headers(void **state)
{
	(void)state;
	assert_place((uintptr_t)&elf.head + 8, "/lib/elf", BASE + 8);
	assert_place((uintptr_t)&elf.text[4], "/lib/elf", BASE + PAGE + 4);
	assert_place((uintptr_t)&elf.data[0x20], "/lib/elf", BASE + 2 * PAGE + 0x20);
}

/* Y3: the rest of the page, and the page that has no file */
static void test_memory_beyond_the_file_is_the_module_s(void **state)
{
	(void)state;
	assert_place((uintptr_t)&elf.data[0x900], "/lib/elf", BASE + 2 * PAGE + 0x900);
	assert_place((uintptr_t)&elf.bss[0], "/lib/elf", BASE + 3 * PAGE);
	assert_true(place.module);
	assert_place((uintptr_t)&elf.bss[0x80f], "/lib/elf", BASE + 3 * PAGE + 0x80f);
	assert_place((uintptr_t)&elf.bss[0x810], "", 0);
	assert_false(place.module);
}

/* A hole between segments is not memory beyond the file. */
static void test_what_follows_a_module_is_not_all_its_own(void **state)
{
	static char text[512];
	uintptr_t base = (uintptr_t)&elf;

	(void)state;
	elf.head.phdr[1].p_memsz = 8 * PAGE;
	elf.head.phdr[1].p_filesz = 8 * PAGE;
	(void)snprintf(text, sizeof(text),
		       "%lx-%lx r--p 0 fd:01 9 /lib/elf\n%lx-%lx ---p 0 00:00 0\n", base,
		       base + PAGE, base + PAGE, base + 2 * PAGE);
	maps(text, ALL);
	assert_place(base + PAGE, "", 0);
	make_elf();
	elf.head.phdr[3].p_vaddr = BASE + PAGE;
	elf.head.phdr[3].p_filesz = 0;
	elf.head.phdr[2].p_type = PT_NULL;
	assert_place(base + PAGE, "/lib/elf", BASE + PAGE);
	(void)snprintf(text, sizeof(text),
		       "%lx-%lx r--p 0 fd:01 9 /lib/elf\n100-200 r--p 0 00:00 0 [x]\n"
		       "%lx-%lx rw-p 0 00:00 0\n",
		       base, base + PAGE, base + PAGE, base + 2 * PAGE);
	assert_place(base + PAGE, "", 0);
}

static void assert_file_offsets(void)
{
	assert_place((uintptr_t)&elf.text[4], "/lib/elf", PAGE + 4);
	assert_place((uintptr_t)&elf.data[0x20], "/lib/elf", 5 * PAGE + 0x20);
	assert_place((uintptr_t)&elf.bss[0], "", 0);
}

/* Y2 */
static void test_headers_that_are_not_readable_are_not_read(void **state)
{
	(void)state;
	map_elf("---p");
	assert_file_offsets();
	map_elf("-w-p");
	assert_file_offsets();
}

static void test_headers_that_are_not_elf(void **state)
{
	(void)state;
	elf.head.ehdr.e_ident[1] = 'e';
	assert_file_offsets();
	make_elf();
	elf.head.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
	assert_file_offsets();
	make_elf();
	elf.head.ehdr.e_phentsize--;
	assert_file_offsets();
	make_elf();
	elf.head.ehdr.e_phnum = 0;
	assert_file_offsets();
	elf.head.ehdr.e_phnum = 2;
	assert_file_offsets();
}

/* The same program headers @before bytes in front of the end of the first page. */
static void move_phdrs(size_t before)
{
	char *to = (char *)&elf + PAGE - before;

	memmove(to, elf.head.phdr, sizeof(elf.head.phdr));
	elf.head.ehdr.e_phoff = PAGE - before;
}

static void test_headers_that_lead_out_of_the_mapping(void **state)
{
	(void)state;
	move_phdrs(sizeof(elf.head.phdr));
	assert_place((uintptr_t)&elf.text[4], "/lib/elf", BASE + PAGE + 4);
	move_phdrs(sizeof(elf.head.phdr) - 8);
	assert_file_offsets();
	elf.head.ehdr.e_phoff = PAGE + 1;
	assert_file_offsets();
	elf.head.ehdr.e_phoff = UINT64_MAX - 8;
	assert_file_offsets();
	make_elf();
	elf.head.ehdr.e_phnum = UINT16_MAX;
	assert_file_offsets();
}

/* The headers say one thing, the list another: the same file, mapped by the program as data. */
static void test_headers_that_do_not_fit_the_mapping(void **state)
{
	(void)state;
	elf.head.phdr[2].p_offset = 2 * PAGE;
	assert_place((uintptr_t)&elf.text[4], "/lib/elf", PAGE + 4);
	make_elf();
	elf.head.phdr[1].p_offset = 7 * PAGE;
	assert_file_offsets();
}

static void test_another_file_s_headers_are_not_used(void **state)
{
	static char text[512];
	uintptr_t base = (uintptr_t)&elf;

	(void)state;
	(void)snprintf(text, sizeof(text),
		       "%lx-%lx r--p 0 fd:01 9 /lib/elf\n%lx-%lx r--p 1000 fd:01 10 /lib/other\n",
		       base, base + PAGE, base + PAGE, base + 2 * PAGE);
	maps(text, ALL);
	assert_place(base + PAGE + 4, "/lib/other", PAGE + 4);
	(void)snprintf(text, sizeof(text),
		       "%lx-%lx r--p 0 fd:01 9 /lib/elf\n%lx-%lx r--p 1000 fd:02 9 /lib/other\n",
		       base, base + PAGE, base + PAGE, base + 2 * PAGE);
	assert_place(base + PAGE + 20, "/lib/other", PAGE + 20);
}

/* ---- words ----------------------------------------------------------------------------------- */

static void test_descriptions(void **state)
{
	(void)state;
	maps(sample, ALL);
	assert_described(0x12345, "lies in /usr/bin/foo+0x2345 (readable, executable)");
	assert_described(0x13010, "lies in /usr/bin/foo+0x3010 (readable, writable)");
	assert_described(0x10000, "lies in /usr/bin/foo+0x0 (not accessible)");
	assert_described(0x15000, "lies in an anonymous mapping (readable, writable)");
	assert_described(0x20000,
			 "lies in [heap], which is another allocator's (readable, writable)");
	assert_described(0x7ffc00020000, "lies on the stack of this process's main thread");
	assert_described(0x7ffc00030000, "lies in [vvar] (readable)");
	assert_described(0xffffffffff600000, "lies in [vsyscall] (executable)");
	assert_described(0x16000, "lies in no mapping");
	maps("1000-2000 rwxp 0 00:00 0\n", ALL);
	assert_described(0x1000, "lies in an anonymous mapping (readable, writable, executable)");
	maps("1abcdef000-1abcdef123 -wxp 0 00:00 0\n", ALL);
	assert_described(0x1abcdef122, "lies in an anonymous mapping (writable, executable)");
	assert_described(0x1abcdef123, "lies in no mapping");
}

static void test_the_stack_of_this_thread(void **state)
{
	static char text[128];
	uintptr_t page = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)(PAGE - 1);

	(void)state;
	(void)snprintf(text, sizeof(text), "1000-2000 rw-p 0 00:00 0\n%lx-%lx rw-p 0 00:00 0\n",
		       page - 16 * PAGE, page + PAGE);
	maps(text, ALL);
	assert_described(page, "lies in the mapping that holds the stack of this thread");
	assert_described(0x1000, "lies in an anonymous mapping (readable, writable)");
}

static void assert_module(uintptr_t addr, const char *expected)
{
	char buf[64];
	struct ma_text text;

	(void)ma_place_find(&place, addr);
	ma_text_init(&text, buf, sizeof(buf) - 1, -1);
	ma_place_module(&text, &place);
	assert_string_equal(ma_text_end(&text), expected);
}

static void test_modules_are_named(void **state)
{
	(void)state;
	maps(sample, ALL);
	assert_module(0x12345, "/usr/bin/foo+0x2345");
	assert_module(0x20000, "");
	assert_module(0x15000, "");
	assert_module(0x16000, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_mapping_that_holds_an_address),
		cmocka_unit_test(test_what_a_mapping_allows),
		cmocka_unit_test(test_addresses_in_no_mapping),
		cmocka_unit_test(test_no_list_at_all),
		cmocka_unit_test(test_malformed_lines_are_skipped),
		cmocka_unit_test(test_a_line_without_an_end_is_not_used),
		cmocka_unit_test(test_long_paths_are_cut),
		cmocka_unit_test_setup(test_the_offset_is_the_address_in_the_headers, make_and_map),
		cmocka_unit_test_setup(test_memory_beyond_the_file_is_the_module_s, make_and_map),
		cmocka_unit_test_setup(test_what_follows_a_module_is_not_all_its_own, make_and_map),
		cmocka_unit_test_setup(test_headers_that_are_not_readable_are_not_read,
				       make_and_map),
		cmocka_unit_test_setup(test_headers_that_are_not_elf, make_and_map),
		cmocka_unit_test_setup(test_headers_that_lead_out_of_the_mapping, make_and_map),
		cmocka_unit_test_setup(test_headers_that_do_not_fit_the_mapping, make_and_map),
		cmocka_unit_test_setup(test_another_file_s_headers_are_not_used, make_and_map),
		cmocka_unit_test(test_descriptions),
		cmocka_unit_test(test_the_stack_of_this_thread),
		cmocka_unit_test(test_modules_are_named),
	};

	return cmocka_run_group_tests_name("place", tests, fixture_reset, fixture_empty);
}
