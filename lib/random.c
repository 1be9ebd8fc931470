#include "random.h"
#include "os.h"

void ma_random_init(struct ma_random *random, uint64_t seed)
{
	random->state = seed;
	if (seed == 0)
		ma_os_random(&random->state, sizeof(random->state));
}
