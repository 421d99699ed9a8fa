/* Vertical sweeps in double precision, with the instructions that every processor has. */
#define RUN vertical_run_baseline_double
#define REAL double
#define NUMBER 8
#define INTEGER int64_t
#define BYTES 16
#include "sweep.h"
