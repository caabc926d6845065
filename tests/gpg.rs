//! `with-gpg-agent` with real gpg-agents in temporary homes, and with what looks like them.

mod agents;
mod arguments;
mod commands;
mod failures;
mod legacy;
mod other_users;
mod output;
mod places;
mod signing;
mod terminals;

/// Makes a box, or skips the test and says why there is none.
#[macro_export]
macro_rules! gpg_box {
    () => {
        $crate::gpg_box!($crate::support::gpg::GpgBox::new())
    };
    ($made:expr) => {
        match $made {
            Ok(made) => made,
            Err(reason) => $crate::skip!(&reason),
        }
    };
}
