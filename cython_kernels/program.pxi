# Where an instruction starts from or ends at: addresses of its own, what the call is given, or planes in cache.
cpdef enum:
    ABSOLUTE, SOURCE, TARGET, PLANE

cdef enum:
    PLACES = 4

cdef struct instruction:
    operate function
    void *data
    Py_ssize_t count
    int source, target
    bint essential

cdef struct instruction_list:
    instruction *each
    Py_ssize_t count


cdef class Instructions:
    """Operations in a row, each with the places between which it is carried out.

    Parameters
    ----------
    listed : sequence of (Operation, int, int)
        What is done, and from which to which of `ABSOLUTE`, `SOURCE`, `TARGET` and `PLANE`.
    """

    cdef instruction_list list
    cdef tuple kept

    def __cinit__(self, listed):
        cdef Operation operation
        cdef instruction *each
        self.kept = tuple(listed)
        self.list.count = len(self.kept)
        self.list.each = each = <instruction *>PyMem_Malloc(max(1, self.list.count) * sizeof(instruction))
        if each == NULL:
            raise MemoryError
        for operation, source, target in self.kept:
            each.function, each.data, each.count = operation.function, operation.data, operation.count
            each.source, each.target, each.essential = source, target, operation.essential
            each += 1

    def __dealloc__(self):
        PyMem_Free(self.list.each)


cdef int interpret(const instruction_list *list, Py_ssize_t *at, char **places, bint normalize,
                   double *seconds) except -1 nogil:
    """Carry out instructions from one on, which is kept up to date, and note when each has ended where that is asked."""
    cdef const instruction *one
    while at[0] < list.count:
        one = &list.each[at[0]]
        one.function(one.data, places[one.source], places[one.target], 0, one.count, normalize)
        if seconds != NULL:
            seconds[at[0]] = now()
        at[0] += 1
    return 0


cdef class Program(Operation):
    """Instructions between the two places that a call is given.

    Parameters
    ----------
    instructions : sequence of (Operation, int, int)
        As `Instructions` has them; if one is essential, so is the whole.
    """

    cdef Instructions instructions

    def __init__(self, instructions):
        self.instructions = Instructions(instructions)
        self.essential = any(operation.essential for operation, _, _ in self.instructions.kept)
        self.function, self.data = run_program, <void *>&self.instructions.list

    def execute(self, Py_ssize_t source_at, Py_ssize_t target_at, bint normalize, bint agreed=False,
                double[::1] seconds=None):
        """Carry it all out.

        Parameters
        ----------
        source_at, target_at : int
            Addresses.
        normalize : bool
            Which of their scales sweeps apply.
        agreed : bool
            Whether the ranks agree afterwards on whether all could do it: then, where an instruction raises, the
            essential ones after it are carried out all the same. Otherwise, and where it is essential itself, the
            windows are left, so that other ranks raise where they would wait.
        seconds : array of float, optional
            Takes the time at the start, and when each instruction had ended.
        """
        cdef char *places[PLACES]
        cdef Py_ssize_t at = 0
        cdef double *ended = NULL
        places[SOURCE], places[TARGET], places[ABSOLUTE] = <char *>source_at, <char *>target_at, NULL
        if seconds is not None:
            seconds[0] = now()
            ended = &seconds[1]
        try:
            with nogil:
                interpret(&self.instructions.list, &at, places, normalize, ended)
        except BaseException:
            if agreed and not self.instructions.list.each[at].essential:
                try:
                    self.finish(at + 1)
                except BaseException:
                    self.abandon()
                    raise
            else:
                self.abandon()
            raise

    cdef int abandon(self) except -1:
        """Let no other rank wait for this one, nor this one for others: they are out of step."""
        for operation, _, _ in self.instructions.kept:
            if isinstance(operation, Counting):
                (<Counting>operation).counters.abandon()
            elif isinstance(operation, Call) and (<Call>operation).abandoned is not None:
                (<Call>operation).abandoned()
            elif isinstance(operation, Program):
                (<Program>operation).abandon()
        return 0

    cdef int finish(self, Py_ssize_t at) except -1:
        cdef const instruction *one
        for k in range(at, self.instructions.list.count):
            one = &self.instructions.list.each[k]
            if one.essential:
                one.function(one.data, NULL, NULL, 0, one.count, False)
        return 0


cdef int run_program(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                     bint normalize) except -1 nogil:
    cdef char *places[PLACES]
    cdef Py_ssize_t at = 0
    places[SOURCE], places[TARGET], places[ABSOLUTE] = source, target, NULL
    return interpret(<instruction_list *>data, &at, places, normalize, NULL)


cdef struct plane_loop:
    const instruction_list *list
    char *memory
    Py_ssize_t plane_bytes, step


cdef class Planes(Operation):
    """Sweeps over a range that is cut into steps, with memory between them that stays in cache.

    Parameters
    ----------
    instructions : sequence of (Operation, int, int)
        All of one count, which is that of this operation.
    memory : (n,) array of bytes
        Of the planes.
    plane_bytes : int
        Of one of them: as many as there is room for make a step.
    """

    cdef plane_loop loop
    cdef tuple kept

    def __init__(self, listed, unsigned char[::1] memory, Py_ssize_t plane_bytes):
        cdef Instructions instructions = Instructions(listed)
        cdef plane_loop *loop = &self.loop
        loop.list, loop.memory, loop.plane_bytes = &instructions.list, <char *>&memory[0], plane_bytes
        loop.step = memory.shape[0] // plane_bytes
        self.kept = (instructions, memory)
        self.count = instructions.list.each.count
        self.function, self.data = run_planes, <void *>loop


cdef int run_planes(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                    bint normalize) except -1 nogil:
    cdef plane_loop *loop = <plane_loop *>data
    cdef const instruction *one
    cdef char *places[PLACES]
    cdef Py_ssize_t k
    places[SOURCE], places[TARGET], places[ABSOLUTE] = source, target, NULL
    while start < stop:
        places[PLANE] = loop.memory - start * loop.plane_bytes
        for k in range(loop.list.count):
            one = &loop.list.each[k]
            one.function(one.data, places[one.source], places[one.target], start, min(start + loop.step, stop),
                         normalize)
        start += loop.step
    return 0


cdef class Threads(Operation):
    """Programs side by side, the first in the calling thread.

    Parameters
    ----------
    submit : callable
        That has a function called with its arguments by another thread, and gives a future.
    programs : sequence of Program
        What each thread does.
    """

    cdef object submit
    cdef tuple programs

    def __init__(self, submit, programs):
        self.submit = submit
        self.programs = tuple(programs)
        self.function, self.data = run_threads, <void *>self

    cdef int share(self, Py_ssize_t source, Py_ssize_t target, bint normalize) except -1:
        others, raised = [], None
        try:
            for program in self.programs[1:]:
                others.append(self.submit(program, source, target, normalize))
            self.programs[0](source, target, normalize)
        except BaseException as error:
            raised = error
        for other in others:
            while not other.done():  # whatever is raised here too, nobody writes to the caller's memory afterwards
                try:
                    other.exception()
                except BaseException as error:
                    raised = raised or error
        if raised is not None:
            raise raised
        for other in others:
            other.result()
        return 0


cdef int run_threads(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                     bint normalize) except -1 with gil:
    return (<Threads>data).share(<Py_ssize_t>source, <Py_ssize_t>target, normalize)


cdef class Polled(Operation):
    """An operation between whose tiles a function is called again and again, while messages travel.

    What the function raises is raised once the operation has ended, and it is not called again before.

    Parameters
    ----------
    operation : Operation
        Whose tiles those of this thread are, not those of its `Threads`.
    called : callable
        Called without arguments.
    every : float
        Seconds from one call to the next, if tiles are as short as that.
    """

    cdef Operation operation
    cdef object called, raised
    cdef polling state

    def __init__(self, Operation operation, called, double every):
        self.operation, self.called = operation, called
        self.count = operation.count
        self.essential = operation.essential
        self.state.call, self.state.data, self.state.every, self.state.next = poll, <void *>self, every, 0
        self.function, self.data = run_polled, <void *>self

    cdef int carry_out(self, char *source, char *target, Py_ssize_t start, Py_ssize_t stop, bint normalize) except -1:
        cdef polling *before = set_polled(&self.state)
        self.raised = None
        try:
            with nogil:
                self.operation.function(self.operation.data, source, target, start, stop, normalize)
        finally:
            set_polled(before)
        raised, self.raised = self.raised, None
        if raised is not None:
            raise raised
        return 0


cdef int run_polled(void *data, char *source, char *target, Py_ssize_t start, Py_ssize_t stop,
                    bint normalize) except -1 with gil:
    return (<Polled>data).carry_out(source, target, start, stop, normalize)


cdef void poll(void *data) noexcept with gil:
    polled = <Polled>data
    if polled.raised is None:
        try:
            polled.called()
        except BaseException as error:
            polled.raised = error


cdef double now() noexcept nogil:
    cdef timespec time
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec + 1e-9 * time.tv_nsec
