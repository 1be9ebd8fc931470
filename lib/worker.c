#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "decay.h"
#include "instance.h"
#include "report.h"
#include "worker.h"

#define STACK_SIZE ((size_t)64 * 1024)

static void sleep_ms(uint64_t ms)
{
	struct timespec ts = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	(void)nanosleep(&ts, NULL);
}

static void *work(void *unused)
{
	struct ma_instance *inst = &ma_global.instance;
	uint64_t pause = ma_global.options.purge_ms > 10 ? ma_global.options.purge_ms : 10;

	for (;;) {
		sleep_ms(pause);
		ma_heap_compact(inst, NULL);
		while (ma_decay_step(&inst->pool) > 0)
			;
	}
	return unused;
}

/* The program's signals are not this thread's. */
static void start(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;

	(void)sigfillset(&all);
	if (pthread_attr_init(&attr) != 0)
		return;
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&thread, &attr, work, NULL) != 0)
		ma_warn("background=1: no thread could be started", NULL, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
}

void ma_worker_start(void)
{
	if (ma_global.options.background)
		start();
}
