#include <signal.h>
#include <string.h>

#include "explain.h"
#include "fault.h"
#include "os.h"

static struct sigaction old_segv, old_bus;

/* T1: the instruction is run again, under the handler that was there before. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	struct ma_violation v;

	(void)sigaction(sig, sig == SIGSEGV ? &old_segv : &old_bus, NULL);
	if (info->si_code > 0 && ma_explain(info->si_addr, ma_os_fault_is_write(context), true, &v))
		ma_report(&v);
}

void ma_fault_start(void)
{
	struct sigaction action;

	if (!ma_global.options.handle_segv)
		return;
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_fault;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGSEGV, &action, &old_segv);
	(void)sigaction(SIGBUS, &action, &old_bus);
}
