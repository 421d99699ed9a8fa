/* Vertical sweeps in single precision, with the instructions that every processor has. */
#define RUN vertical_run_baseline_float
#define REAL float
#define NUMBER 4
#define INTEGER int32_t
#define BYTES 16
#include "sweep.h"
