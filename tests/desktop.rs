//! `with-gui-environment` and `notify-send-headless` with real message buses, X servers,
//! compositors and logind, and with what looks like them.

mod arguments;
mod attackers;
mod belongings;
mod commands;
mod credentials;
mod displays;
mod logind;
mod logind_real;
mod logins;
mod notifications;
mod output;
mod sessions;
mod values;

/// Makes a box, or skips the test and says why there is none.
#[macro_export]
macro_rules! desktop_box {
    () => {
        $crate::desktop_box!($crate::support::desktop::DesktopBox::new())
    };
    ($made:expr) => {
        match $made {
            Ok(made) => made,
            Err(reason) => $crate::skip!(&reason),
        }
    };
}
