/* The roof: momentum runs in hand-written C, with what gdbench's runs end with and nothing else.
 *
 * REAL is float or double, LOSS(x, y) and GRADIENT(x, y, g, h) the surface: see roof.py, which compiles this.
 * Lanes stand in arrays, one for each number of a run, so that the compiler vectorises the step over lanes. A lane whose
 * run has ended no longer changes; every SEGMENT steps such lanes are recorded and take the next run. */

#include <math.h>
#include <stdint.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#define LANES 256
#define SEGMENT 64

enum { REACHED, DIVERGED, STATIONARY, BUDGET };

typedef struct {
    const REAL *rate, *momentum, *x, *y; /* of every run */
    REAL rtol, gtol2, divergence;
    int64_t budget, runs;
    int64_t *next; /* the first run that no thread has taken */
    int32_t *status, *steps;
    REAL *loss, *best, *norm;
} Sweep;

typedef struct {
    REAL x[LANES], y[LANES], u[LANES], v[LANES], count[LANES], best[LANES];
} State;

typedef struct {
    State state, other;
    REAL rate[LANES], momentum[LANES], target[LANES], limit[LANES];
} Lanes;

/* From one state to another: in place, gcc would turn what stays the same into masked stores, which are slow. */
static inline void step(const State *restrict s, State *restrict t, const Lanes *restrict l, REAL budget, REAL gtol2)
{
    for (int i = 0; i < LANES; i++) {
        REAL x = s->x[i], y = s->y[i], g, h;
        REAL loss = LOSS(x, y);
        GRADIENT(x, y, g, h);
        int ends = (loss <= l->target[i]) | !(loss <= l->limit[i]) | (loss == -INFINITY)
                 | (g * g + h * h <= gtol2) | (s->count[i] >= budget);
        REAL u = l->momentum[i] * s->u[i] + l->rate[i] * g;
        REAL v = l->momentum[i] * s->v[i] + l->rate[i] * h;
        t->x[i] = ends ? x : x - u;
        t->y[i] = ends ? y : y - v;
        t->u[i] = ends ? s->u[i] : u;
        t->v[i] = ends ? s->v[i] : v;
        t->count[i] = s->count[i] + (ends ? (REAL)0 : (REAL)1);
        t->best[i] = loss < s->best[i] ? loss : s->best[i];
    }
}

static void segment(Lanes *l, REAL budget, REAL gtol2)
{
    for (int i = 0; i < SEGMENT; i += 2) {
        step(&l->state, &l->other, l, budget, gtol2);
        step(&l->other, &l->state, l, budget, gtol2);
    }
}

static void record(const Sweep *s, const Lanes *l, int i, int64_t run)
{
    REAL g, h, loss = LOSS(l->state.x[i], l->state.y[i]);
    GRADIENT(l->state.x[i], l->state.y[i], g, h);
    int status = loss <= l->target[i] && isfinite(loss) ? REACHED
               : !(loss <= l->limit[i]) || !isfinite(loss) ? DIVERGED
               : g * g + h * h <= s->gtol2 ? STATIONARY : BUDGET;
    s->status[run] = status;
    s->steps[run] = (int32_t)l->state.count[i];
    s->loss[run] = loss;
    s->best[run] = l->state.best[i];
    s->norm[run] = (REAL)sqrt(g * g + h * h);
}

/* Run what no other thread has taken; the steps that the lanes computed. */
int64_t sweep(const Sweep *s)
{
    static _Thread_local Lanes lanes;
    static _Thread_local REAL before[LANES];
    int64_t owner[LANES], executed = 0;
    int busy = 0;
    Lanes *l = &lanes;
#ifdef __SSE__
    unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040); /* numbers too small to be normal are zero, as XLA has it: they cost a hundred times more */
#endif
    for (int i = 0; i < LANES; i++)
        owner[i] = -1;
    for (;;) {
        for (int i = 0; i < LANES; i++) {
            if (owner[i] >= 0)
                continue;
            int64_t run = __atomic_load_n(s->next, __ATOMIC_RELAXED) < s->runs
                        ? __atomic_fetch_add(s->next, 1, __ATOMIC_RELAXED) : s->runs;
            if (run >= s->runs) {
                l->state.count[i] = INFINITY; /* an idle lane never moves */
                continue;
            }
            owner[i] = run;
            busy++;
            l->state.x[i] = s->x[run];
            l->state.y[i] = s->y[run];
            l->state.u[i] = l->state.v[i] = l->state.count[i] = 0;
            l->state.best[i] = INFINITY;
            l->rate[i] = s->rate[run];
            l->momentum[i] = s->momentum[run];
            REAL loss = LOSS(l->state.x[i], l->state.y[i]);
            l->target[i] = s->rtol * loss;
            l->limit[i] = s->divergence * (1 + (loss < 0 ? -loss : loss));
        }
        if (!busy)
            break;
        for (int i = 0; i < LANES; i++)
            before[i] = l->state.count[i];
        segment(l, (REAL)s->budget, s->gtol2);
        executed += LANES * SEGMENT;
        for (int i = 0; i < LANES; i++) {
            if (owner[i] >= 0 && l->state.count[i] < before[i] + SEGMENT) {
                record(s, l, i, owner[i]);
                owner[i] = -1;
                busy--;
            }
        }
    }
#ifdef __SSE__
    _mm_setcsr(mode);
#endif
    return executed;
}
