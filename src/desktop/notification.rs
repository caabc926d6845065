//! Shows notifications over a message bus, for machines without notify-send (Desktop Notifications
//! Specification 1.2).

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use zbus::Variant;

use super::address::Address;
use super::bus::{Bus, Error, Method, encoded};
use crate::control::{self, Interrupts, Signal};
use crate::deadlines;

/// The object and the name of the service. The interface has the same name.
const PATH: &str = "/org/freedesktop/Notifications";
const NAME: &str = "org.freedesktop.Notifications";

const CAPABILITIES: Method<'_> = method("GetCapabilities");
const NOTIFY: Method<'_> = method("Notify");
const CLOSE: Method<'_> = method("CloseNotification");

/// The rules for the signals about notifications: those of the service itself, which no other
/// program may send, and that of the bus when the service ends.
const SERVICE_SIGNALS: &str = "type='signal',sender='org.freedesktop.Notifications',\
                               interface='org.freedesktop.Notifications'";
const SERVICE_END: &str = "type='signal',sender='org.freedesktop.DBus',\
                           interface='org.freedesktop.DBus',member='NameOwnerChanged',\
                           arg0='org.freedesktop.Notifications'";

const fn method(name: &'static str) -> Method<'static> {
    Method { service: NAME, path: PATH, interface: NAME, name, may_start: true }
}

/// The content of a notification.
#[derive(Default)]
pub struct Notification {
    pub application: String,
    /// The id of the notification that it replaces; 0 for none.
    pub replaces: u32,
    pub icon: String,
    pub summary: String,
    pub body: String,
    /// Names and labels of the actions, from which the user can choose one.
    pub actions: Vec<(String, String)>,
    pub hints: Vec<(String, Hint)>,
    /// Milliseconds until it disappears; -1 leaves this to the service.
    pub expires: i32,
}

/// The value of a hint, of one of the types that notify-send has.
#[derive(Clone, Debug, PartialEq)]
pub enum Hint {
    Flag(bool),
    Byte(u8),
    Number(i32),
    Long(i64),
    Real(f64),
    Text(String),
    Any(Variant<'static>),
}

/// The end of a notification that was waited for.
#[derive(Debug, PartialEq)]
pub enum End {
    /// It was closed.
    Closed,
    /// It was still there when the time was over.
    TimeOver,
    /// The user has chosen the action of this name. The service may give a token, by which a program
    /// may show a window for that.
    Chosen { action: String, token: Option<String> },
    /// We were interrupted from the keyboard, and have closed it.
    Cancelled,
    /// We received another signal to end. It is still there.
    Interrupted(Signal),
}

/// The reason why it is not known what became of a notification.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    #[error(transparent)]
    Bus(#[from] Error),
    #[error(transparent)]
    Signals(#[from] control::Error),
}

/// A notification that is shown.
pub struct ShownNotification {
    bus: Bus,
    pub id: u32,
    /// `true` if it offers actions: not every service can.
    pub has_actions: bool,
    /// The names of the actions that it offers.
    actions: Vec<String>,
}

impl Notification {
    /// Shows it, as the user who owns the bus, whose rights we have. Errors: `Refused` by the
    /// service, `Lost` if the bus or the service does not answer in time.
    pub fn show(&self, address: &Address, uid: u32) -> Result<ShownNotification, Error> {
        let mut bus = address.connect(uid, Instant::now() + deadlines::NOTIFICATION)?;
        bus.begin()?;
        bus.listen(SERVICE_SIGNALS)?;
        bus.listen(SERVICE_END)?;
        let has_actions =
            !self.actions.is_empty() && bus.call(&CAPABILITIES, "", None)?.has_text("actions")?;
        let offered = if has_actions { &self.actions[..] } else { &[] };
        let actions: Vec<&str> =
            offered.iter().flat_map(|(name, label)| [&**name, label]).collect();
        let hints: BTreeMap<&str, Variant<'_>> =
            self.hints.iter().map(|(name, hint)| (&**name, hint.value())).collect();
        let body = encoded(&(
            &*self.application,
            self.replaces,
            &*self.icon,
            &*self.summary,
            &*self.body,
            actions,
            hints,
            self.expires,
        ))?;
        let id = bus.call(&NOTIFY, "susssasa{sv}i", Some(&body))?.number()?;
        let actions = offered.iter().map(|(name, _)| name.clone()).collect();
        Ok(ShownNotification { bus, id, has_actions, actions })
    }
}

impl ShownNotification {
    /// Waits until it is closed or the user has chosen an action. After a choice, when `limit` is
    /// over, and after an interrupt from the keyboard, we close it. Errors: `Refused` if the service
    /// ends.
    pub fn wait(
        mut self,
        interrupts: &Interrupts,
        limit: Option<Duration>,
    ) -> Result<End, WaitError> {
        const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
        self.bus.set_end(Instant::now() + limit.unwrap_or(YEAR));
        let mut token = None;
        let end = loop {
            let signal = match self.bus.signal(interrupts.as_fd()) {
                Err(Error::Lost(error)) if error.kind() == ErrorKind::TimedOut => {
                    break End::TimeOver;
                }
                Ok(None) => match interrupts.arrived()? {
                    Some(Signal::INT) => break End::Cancelled,
                    Some(signal) => return Ok(End::Interrupted(signal)),
                    None => continue,
                },
                Ok(Some(signal)) => signal,
                Err(error) => return Err(error.into()),
            };
            match signal.member() {
                b"NotificationClosed" if signal.number()? == self.id => return Ok(End::Closed),
                b"ActivationToken" => {
                    let (id, given) = signal.number_and_text()?;
                    token = (id == self.id).then(|| given.to_owned()).or(token);
                }
                b"ActionInvoked" => {
                    let (id, action) = signal.number_and_text()?;
                    if id == self.id && self.actions.iter().any(|offered| offered == action) {
                        break End::Chosen { action: action.to_owned(), token };
                    }
                }
                b"NameOwnerChanged" => {
                    let why = "the notification service has ended".to_owned();
                    return Err(Error::Refused(why).into());
                }
                _ => {}
            }
        };
        self.close()?;
        Ok(end)
    }

    /// Closes it. Most services do so themselves after a choice, and refuse then.
    fn close(&mut self) -> Result<(), Error> {
        self.bus.set_end(Instant::now() + deadlines::CLOSE_NOTIFICATION);
        match self.bus.call(&CLOSE, "u", Some(&encoded(&self.id)?)) {
            Ok(_) | Err(Error::Refused(_) | Error::Gone(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Hint {
    /// Returns the value with its type on the bus.
    fn value(&self) -> Variant<'_> {
        match self {
            Hint::Flag(flag) => (*flag).into(),
            Hint::Byte(byte) => (*byte).into(),
            Hint::Number(number) => (*number).into(),
            Hint::Long(number) => (*number).into(),
            Hint::Real(number) => (*number).into(),
            Hint::Text(text) => text.as_str().into(),
            Hint::Any(value) => value.clone(),
        }
    }
}
