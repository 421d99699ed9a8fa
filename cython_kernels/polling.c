/* What is called between tiles by this thread. */
#include "polling.h"

__thread polling *polled;
