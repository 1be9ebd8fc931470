/*
 * The operators new and delete of C++17, served by the preload library.
 *
 *      test_cxx path-of-the-preload-library
 *
 * It starts itself anew with the library preloaded.
 */
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <dlfcn.h>
#include <malloc.h>

#define CHECK(condition) check(condition, #condition, __LINE__)

namespace
{

void check(bool condition, const char *text, int line)
{
	if (condition)
		return;
	std::fprintf(stderr, "test_cxx.cc:%d: %s\n", line, text);
	std::abort();
}

template <typename T> T opaque(T value)
{
	volatile T hidden = value;

	return hidden;
}

struct alignas(256) Wide {
	unsigned char bytes[300];
};

struct Thrower {
	char room[100];

	Thrower()
	{
		throw std::runtime_error(
			"from a constructor, with text that is too long for itself");
	}
};

bool is_aligned(const void *ptr, std::size_t align)
{
	return reinterpret_cast<std::uintptr_t>(ptr) % align == 0;
}

bool is_ours(const char *name)
{
	Dl_info info = {};

	return dladdr(dlsym(RTLD_DEFAULT, name), &info) != 0 &&
	       std::strstr(info.dli_fname, "memalloc-preload") != nullptr;
}

void test_names()
{
	static const char *const names[] = {
		"_Znwm",
		"_Znam",
		"_ZnwmRKSt9nothrow_t",
		"_ZnamRKSt9nothrow_t",
		"_ZnwmSt11align_val_t",
		"_ZnamSt11align_val_t",
		"_ZnwmSt11align_val_tRKSt9nothrow_t",
		"_ZnamSt11align_val_tRKSt9nothrow_t",
		"_ZdlPv",
		"_ZdaPv",
		"_ZdlPvRKSt9nothrow_t",
		"_ZdaPvRKSt9nothrow_t",
		"_ZdlPvm",
		"_ZdaPvm",
		"_ZdlPvSt11align_val_t",
		"_ZdaPvSt11align_val_t",
		"_ZdlPvmSt11align_val_t",
		"_ZdaPvmSt11align_val_t",
		"_ZdlPvSt11align_val_tRKSt9nothrow_t",
		"_ZdaPvSt11align_val_tRKSt9nothrow_t",
	};

	for (const char *name : names)
		CHECK(is_ours(name));
}

/* ---- each form -------------------------------------------------------------------------------- */

void test_plain()
{
	void *a = ::operator new(opaque(100));
	void *b = ::operator new[](opaque(100));
	void *none = ::operator new(opaque(0));

	CHECK(is_aligned(a, 16) && is_aligned(b, 16) && none != nullptr);
	CHECK(malloc_usable_size(a) == 100 && malloc_usable_size(none) == 0);
	::operator delete(a);
	::operator delete[](b);
	::operator delete(none);
	::operator delete(opaque<void *>(nullptr));
	::operator delete[](opaque<void *>(nullptr));
}

void test_sized()
{
	for (std::size_t n = 0; n < 200000; n = n * 2 + 1) {
		::operator delete(::operator new(n), n);
		::operator delete[](::operator new[](n), n);
	}
	::operator delete (opaque<void *>(nullptr), std::size_t{5});
}

void test_nothrow()
{
	void *a = ::operator new(10, std::nothrow);
	void *b = ::operator new[](10, std::nothrow);
	void *c = ::operator new (10, std::align_val_t{512}, std::nothrow);
	void *d = ::operator new[](10, std::align_val_t{512}, std::nothrow);

	CHECK(a != nullptr && b != nullptr && is_aligned(c, 512) && is_aligned(d, 512));
	::operator delete(a, std::nothrow);
	::operator delete[](b, std::nothrow);
	::operator delete (c, std::align_val_t{512}, std::nothrow);
	::operator delete[](d, std::align_val_t{512}, std::nothrow);
}

void test_aligned()
{
	for (std::size_t align = 1; align <= 1 << 20; align *= 2) {
		const std::align_val_t a{align};
		void *one = ::operator new(33, a);
		void *two = ::operator new[](4444, a);

		CHECK(is_aligned(one, align) && is_aligned(two, align));
		::operator delete(one, a);
		::operator delete[](two, a);
		::operator delete(::operator new(33, a), 33, a);
		::operator delete[](::operator new[](4444, a), 4444, a);
	}
}

void test_expressions()
{
	Wide *one = new Wide;
	Wide *many = new Wide[opaque(7)];
	std::string *text = new std::string(1000, 'x');
	std::string *texts = new std::string[opaque(5)];

	CHECK(is_aligned(one, 256) && is_aligned(many, 256) && text->size() == 1000);
	texts[4] = *text;
	delete one;
	delete[] many;
	delete text;
	delete[] texts;
}

/* ---- no memory -------------------------------------------------------------------------------- */

template <typename F> bool throws_bad_alloc(F allocate)
{
	try {
		allocate();
	} catch (const std::bad_alloc &) {
		return true;
	}
	return false;
}

const std::size_t impossible = opaque<std::size_t>(PTRDIFF_MAX);

void test_bad_alloc()
{
	const std::size_t sizes[] = {impossible, impossible - 100, impossible + 1, SIZE_MAX};
	const std::align_val_t wide{4096};

	for (std::size_t n : sizes) {
		CHECK(throws_bad_alloc([=] { ::operator delete(::operator new(n)); }));
		CHECK(throws_bad_alloc([=] { ::operator delete[](::operator new[](n)); }));
		CHECK(throws_bad_alloc([=] { ::operator delete(::operator new(n, wide), wide); }));
		CHECK(throws_bad_alloc(
			[=] { ::operator delete[](::operator new[](n, wide), wide); }));
		CHECK(::operator new(n, std::nothrow) == nullptr);
		CHECK(::operator new[](n, std::nothrow) == nullptr);
		CHECK(::operator new(n, wide, std::nothrow) == nullptr);
		CHECK(::operator new[](n, wide, std::nothrow) == nullptr);
	}
	CHECK(throws_bad_alloc([] { std::vector<char>().reserve(impossible); }));
}

int handled;

void give_up_after_three()
{
	if (++handled == 3)
		std::set_new_handler(nullptr);
}

void throw_something()
{
	throw std::domain_error("from the handler");
}

void test_new_handler()
{
	bool caught = false;

	std::set_new_handler(give_up_after_three);
	CHECK(throws_bad_alloc([] { ::operator delete(::operator new(impossible)); }));
	CHECK(handled == 3);
	std::set_new_handler(throw_something);
	try {
		::operator delete(::operator new(impossible));
	} catch (const std::domain_error &) {
		caught = true;
	}
	CHECK(caught);
	std::set_new_handler(nullptr);
}

void test_throwing_constructor()
{
	for (int i = 0; i < 100; i++) {
		bool caught = false;

		try {
			delete new Thrower;
		} catch (const std::runtime_error &e) {
			caught = std::strlen(e.what()) > 40;
		}
		CHECK(caught);
	}
}

/* ---- the library and threads ------------------------------------------------------------------ */

void use_containers()
{
	std::map<std::string, std::vector<int>> map;
	auto shared = std::make_shared<Wide>();

	for (int i = 0; i < 2000; i++)
		map["a key that does not fit into a string " + std::to_string(i % 300)].push_back(
			i);
	CHECK(map.size() == 300 && is_aligned(shared.get(), 256));
}

void test_threads()
{
	std::vector<std::thread> threads;

	for (int i = 0; i < 8; i++)
		threads.emplace_back(use_containers);
	for (auto &thread : threads)
		thread.join();
}

/* ---- misuse ----------------------------------------------------------------------------------- */

/* What the child writes to stderr, if it died by SIGABRT. */
template <typename F> std::string last_words(F misuse)
{
	int ends[2], status = 0;
	char text[2048] = "";
	ssize_t n;
	pid_t pid;

	CHECK(pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(ends[1], STDERR_FILENO);
		misuse();
		_exit(0);
	}
	(void)close(ends[1]);
	n = read(ends[0], text, sizeof(text) - 1);
	(void)close(ends[0]);
	CHECK(n >= 0 && waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? text : "";
}

bool says(const std::string &text, const char *words)
{
	return text.find(words) != std::string::npos;
}

void test_misuse()
{
	CHECK(says(last_words([] { ::operator delete(::operator new(opaque(100)), 99); }),
		   "memalloc: size mismatch: 0x"));
	CHECK(says(last_words([] { ::operator delete[](::operator new[](opaque(100)), 1); }),
		   "memalloc: size mismatch: 0x"));
	CHECK(says(last_words([] {
			   ::operator delete (::operator new(opaque(100)),
					      std::align_val_t{1 << 30});
		   }),
		   "memalloc: alignment mismatch: 0x"));
	CHECK(says(last_words([] {
			   auto *volatile ptr = new int;
			   delete ptr;
			   delete ptr;
		   }),
		   "memalloc: double free: 0x"));
}

int run_tests()
{
	test_names();
	test_plain();
	test_sized();
	test_nothrow();
	test_aligned();
	test_expressions();
	test_bad_alloc();
	test_new_handler();
	test_throwing_constructor();
	use_containers();
	test_threads();
	test_misuse();
	std::puts("ok");
	return 0;
}

} // namespace

int main(int argc, char **argv)
{
	const char *preload = std::getenv("LD_PRELOAD");

	if (preload != nullptr && std::strstr(preload, "memalloc-preload") != nullptr)
		return run_tests();
	if (argc < 2)
		return 99;
	(void)setenv("LD_PRELOAD", argv[1], 1);
	(void)execv("/proc/self/exe", argv);
	std::perror("test_cxx");
	return 99;
}
