//! What `cron-graceful` asks of the one who holds cron: to hold it for longer, and to let it run on.

use std::io;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};

use super::caller::who;
use super::lock::other_run;
use super::{Options, With};
use crate::cron::{self, Answer, HeldToo, Request};
use crate::deadline::pause;
use crate::exit::{Exit, Refusal};
use crate::output::cron::{at_work, held_already, of_hold, of_release, released};

/// Time for the one who has released cron to end.
const HOLDER_END: Duration = Duration::from_secs(2);

/// Lets the one who holds cron hold it for longer; `None` if nobody does.
pub fn extend(options: &Options, lease: Duration) -> anyhow::Result<Option<Exit>> {
    let wanted = HeldToo { at: options.includes(With::At), timers: options.includes(With::Timers) };
    if let Some(Answer::Holding(holder)) = ask(&Request::Ask)?
        && !holder.with.includes(wanted)
    {
        return Err(Refusal::nothing(
            "cron is held already, and not all that --with wants: --release it first",
        )
        .into());
    }
    let request = Request::Extend { lease, by: who() };
    Ok(match ask(&request)? {
        Some(Answer::Holding(holder)) => {
            options.tell(&if options.summary {
                of_hold(&holder)
            } else {
                held_already(options.format.json(), &holder)
            })?;
            Some(Exit::Done)
        }
        Some(Answer::Released(_) | Answer::Gone(_)) | None => None,
    })
}

fn ask(request: &Request) -> anyhow::Result<Option<Answer>> {
    cron::call_holder(request).map_err(|error| silent(&error))
}

/// Lets the one who holds cron let it run on.
pub fn release(options: &Options) -> anyhow::Result<Exit> {
    let request = Request::Release { by: who() };
    match ask(&request)? {
        Some(Answer::Released(holder)) => {
            await_end_of_holder();
            options.tell(&if options.summary {
                of_release()
            } else {
                released(options.format.json(), &holder)
            })?;
            Ok(Exit::Done)
        }
        Some(Answer::Gone(_)) => {
            await_end_of_holder();
            Err(Refusal::nothing(
                "nobody holds cron any more, but cron has ended meanwhile: start it by its service",
            )
            .into())
        }
        Some(Answer::Holding(_)) => bail!("the one who holds cron does not let go"),
        None => Err(Refusal::nothing(match other_run() {
            Some(run) => format!("nobody holds cron yet: {} still waits for jobs", at_work(&run)),
            None => "nobody holds cron here: was the lease over? --list tells whether it is paused"
                .to_owned(),
        })
        .into()),
    }
}

/// Returns the error for one who holds cron and does not answer.
pub fn silent(error: &io::Error) -> anyhow::Error {
    anyhow!("the one who holds cron does not answer: {error}")
}

/// Waits until the one who has released cron has ended, so that another run can begin.
fn await_end_of_holder() {
    let end = Instant::now() + HOLDER_END;
    while other_run().is_some() && pause(end).is_ok() {}
}
