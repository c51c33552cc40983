/* schedule_step.c: schedules at an optimiser. */
#include "optimizer.h"

static reel_status check(reel_optimizer *optimizer, const char *caller, const char *error)
{
    if (!optimizer) {
        return REEL_BAD_HANDLE;
    }
    if (reel__optimizer_usable(optimizer, caller) && error) {
        reel_fail(optimizer->tape, REEL_BAD_ARGUMENT, caller, "%s", error);
    }
    return reel_tape_status(optimizer->tape);
}

/* A rate that no optimiser could use changes nothing. */
static reel_status go_to(reel_optimizer *optimizer, const char *caller, const reel__drive *drive)
{
    double lr = reel_schedule_lr(&drive->schedule, drive->base_lr, (int64_t)drive->step);
    if (!(lr >= 0 && isfinite(lr))) {
        reel_fail(optimizer->tape, REEL_BAD_ARGUMENT, caller,
                  "the schedule's lr at step %.0f is %g, must be finite and at least 0",
                  drive->step, lr);
        return REEL_BAD_ARGUMENT;
    }
    optimizer->drive = *drive;
    optimizer->lr = lr;
    return REEL_OK;
}

reel_status reel_optimizer_schedule(reel_optimizer *optimizer, reel_schedule schedule)
{
    const char *error = schedule.at ? schedule.error : "the schedule is empty";
    if (schedule.momentum && optimizer && optimizer->rule && !optimizer->rule->momentum) {
        error = error ? error : "the schedule changes the momentum, and the optimiser has none";
    }
    reel_status status = check(optimizer, "optimizer_schedule", error);
    if (status != REEL_OK) {
        return status;
    }
    reel__drive drive = optimizer->drive;
    drive.schedule = schedule;
    drive.step = 0;
    drive.base_lr = optimizer->lr;
    return go_to(optimizer, "optimizer_schedule", &drive);
}

reel_status reel_schedule_step(reel_optimizer *optimizer)
{
    bool none = optimizer && !optimizer->drive.schedule.at;
    reel_status status =
        check(optimizer, "schedule_step", none ? "the optimiser has no schedule" : NULL);
    if (status != REEL_OK) {
        return status;
    }
    reel__drive drive = optimizer->drive;
    drive.step++;
    return go_to(optimizer, "schedule_step", &drive);
}

reel_status reel_optimizer_plateau(reel_optimizer *optimizer, reel_plateau_options options)
{
    reel_plateau plateau = reel_plateau_of(options);
    reel_status status = check(optimizer, "optimizer_plateau", plateau.error);
    if (status == REEL_OK) {
        optimizer->drive.plateau = plateau;
        optimizer->drive.on_plateau = true;
    }
    return status;
}

reel_status reel_schedule_report(reel_optimizer *optimizer, double metric)
{
    bool none = optimizer && !optimizer->drive.on_plateau;
    reel_status status =
        check(optimizer, "schedule_report", none ? "the optimiser has no plateau" : NULL);
    if (status != REEL_OK) {
        return status;
    }
    reel__drive drive = optimizer->drive;
    if (!drive.schedule.at) {
        optimizer->lr = reel_plateau_report(&optimizer->drive.plateau, metric, optimizer->lr);
        return REEL_OK;
    }
    drive.base_lr = reel_plateau_report(&drive.plateau, metric, drive.base_lr);
    return go_to(optimizer, "schedule_report", &drive);
}
